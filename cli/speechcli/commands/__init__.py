"""The commands: each module has `configure`, which declares its options, and `run`, which returns the exit code."""
