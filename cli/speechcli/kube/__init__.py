"""A small client of the Kubernetes API: the user's kubeconfig, reads and watches of plain JSON."""
