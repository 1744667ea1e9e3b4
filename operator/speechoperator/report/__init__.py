"""Writes the status and the Events of a pipeline."""
