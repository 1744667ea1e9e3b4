"""Decoding a recording into PCM."""
