"""The platform on one machine: demo, load test, local cluster, container images."""
