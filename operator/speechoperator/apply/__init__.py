"""The only package that writes to the cluster on behalf of a plan."""
