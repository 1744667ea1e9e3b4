"""The platform on a Kubernetes of this machine: engine, node image, kind cluster, its parts, and their programs."""
