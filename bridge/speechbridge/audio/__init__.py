"""Recordings: their bytes, containers and durations."""
