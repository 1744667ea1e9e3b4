"""The generated pages and files, one module each; `docs/generate.py` writes them."""
