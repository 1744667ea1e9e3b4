"""Authentication, admission and queueing of requests, and every Retry-After."""
