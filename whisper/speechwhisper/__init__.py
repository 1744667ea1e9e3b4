"""A speech recognition server over faster-whisper: small, streaming, observable."""
