"""Reading what a client sends: body, multipart form, fields, spool."""
