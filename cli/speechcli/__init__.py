"""The kubectl plugin `kubectl speech`: use and check pipelines from a machine with a kubeconfig."""
