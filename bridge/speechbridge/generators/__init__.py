"""Language model upstreams: one module per protocol, behind the port in `port`."""
