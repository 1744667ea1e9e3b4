"""Logs, metrics and the HTTP server for probes and scrapes."""
