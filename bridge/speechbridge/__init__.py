"""Turns recorded speech into a transcript and a language model's answer, over HTTP."""
