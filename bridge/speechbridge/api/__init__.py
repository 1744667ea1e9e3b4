"""The HTTP API: one small module per family of routes."""
