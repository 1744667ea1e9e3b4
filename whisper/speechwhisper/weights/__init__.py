"""Fetches a model's weights into a folder, with progress, before a server starts there."""
