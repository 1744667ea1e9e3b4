"""The stages of a request: transcribe, generate, with retries and prompt prefill."""
