"""Ollama's HTTP API, and model pulls in the background."""
