"""The container engine of this machine: starting one, asking it, and the Debian image that ours are built from."""
