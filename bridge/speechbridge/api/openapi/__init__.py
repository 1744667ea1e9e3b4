"""The OpenAPI document, from which the reference page is generated: one module per family of routes.

Source: OpenAPI Specification 3.1.1.
"""
