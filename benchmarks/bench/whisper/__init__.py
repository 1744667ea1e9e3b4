"""The Whisper server under load, compared with faster-whisper in a process of its own."""
