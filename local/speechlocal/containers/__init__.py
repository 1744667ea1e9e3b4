"""The container engine of this machine and its client, and the published images that it can pull."""
