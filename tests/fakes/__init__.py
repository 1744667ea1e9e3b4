"""Fakes of the services a bridge stands in front of: real HTTP servers on loopback, with the real ones' quirks.

`whisper` and `ollama`/`openai_chat` hold the fakes, `server` what they share, `faults` what can go wrong and `gates`
the points where a test can pause one. tests/contract runs the same cases against these and against the real ones.
"""
