"""Kubernetes objects of a pipeline: one builder per kind of object."""
