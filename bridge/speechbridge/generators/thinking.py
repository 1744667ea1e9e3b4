"""Removes the reasoning that some models write in `<think>` tags before their answer.

Servers that know a model's tags report its reasoning apart from the answer: Ollama in `thinking`, vLLM and llama.cpp in
`reasoning_content`. Others send the tags as text: vLLM without a reasoning parser, or Ollama with a model whose
template does not declare that it reasons.
"""

from __future__ import annotations

_TAGS = ("think", "thinking")


class ReasoningFilter:
    """Passes on the text of one answer, except a block of reasoning at its start.

    Tags within an answer are left as they are. A block that is never closed is removed to the end of the answer.
    """

    def __init__(self) -> None:
        self._held = ""  # may still become a tag
        self._closing: str | None = None  # the tag that ends the block
        self._skip_space = False  # after the block
        self._passing = False

    def feed(self, text: str) -> str:
        """Return the part of the answer that is certain with this piece; may be empty."""
        if self._passing:
            return text
        self._held += text
        if self._closing is None and not self._skip_space:
            self._start()
        if self._closing is not None:
            self._skip_block(self._closing)
        if self._skip_space:
            self._held = self._held.lstrip()
            self._passing = bool(self._held)
        return self.end() if self._passing else ""

    def end(self) -> str:
        """Return the text that was held back, at the end of the answer."""
        held, self._held = self._held, ""
        return held if self._closing is None else ""

    def _start(self) -> None:
        text = self._held.lstrip()
        if text and not text.startswith("<"):
            self._passing = True
            return
        for tag in _TAGS:
            if text.startswith(f"<{tag}>"):
                self._closing = f"</{tag}>"
                return
        self._passing = not any(f"<{tag}>".startswith(text) for tag in _TAGS)

    def _skip_block(self, closing: str) -> None:
        _, found, rest = self._held.partition(closing)
        if found:
            self._held, self._closing, self._skip_space = rest, None, True
        else:
            self._held = self._held[-len(closing) + 1 :]
