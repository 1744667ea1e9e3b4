"""The description of the HTTP API, and the source of its reference page: one module per family of routes.

Source: OpenAPI Specification 3.1.1.
"""
