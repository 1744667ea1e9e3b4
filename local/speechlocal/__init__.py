"""The platform on one machine: the demo, the load test, the model files."""
