"""Language models: which are missing, which to pull, and when a pod may receive requests."""
