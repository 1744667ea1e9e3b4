"""Language models: which are missing, what to pull, when a pod may receive requests."""
