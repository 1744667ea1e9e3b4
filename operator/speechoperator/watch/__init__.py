"""What the API server says: kopf as an informer, and the store of objects."""
