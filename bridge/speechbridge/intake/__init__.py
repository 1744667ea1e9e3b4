"""Uploads: body, multipart form, fields, spool."""
