"""Canary requests: a spoken sentence through the whole chain of a pipeline.

`sentence.wav` is the beginning ("unless to be rather") of examples/audio/austen-ill-disposed.wav: 1.15 s, resampled to
8 kHz, public domain.
"""
