"""Logs, metrics and the timeline of a request."""
