"""The platform on Kubernetes on this machine: a kind cluster, its add-ons, the chart and a pipeline."""
