"""Reading what a client sends: multipart form, request options, the bounded pipe of bytes."""
