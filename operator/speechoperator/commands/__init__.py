"""Subcommands beside `run`: render a pipeline's objects, print or install the CRD."""
