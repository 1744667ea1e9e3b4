"""Status conditions of a pipeline, computed from a snapshot."""
