"""Manifests of a pipeline's Kubernetes objects, as pure functions of the pipeline, the settings and the decisions."""
