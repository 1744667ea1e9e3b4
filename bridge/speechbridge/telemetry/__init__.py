"""Logs, metrics, and the timeline and trace of a request."""
