"""The pods of an upstream: discovery, load balancing, and HTTP exchanges with them."""
