"""Durations from the headers of containers: pure functions of a few bytes, one module per family."""
