"""What the documentation site needs beyond MkDocs; `docs/hooks.py` connects it to MkDocs' events."""
