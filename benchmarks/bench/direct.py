"""faster-whisper called directly, as a process of its own: `python direct.py MODEL FILE...`.

Prints JSON: for each file its text, in the order given, and the seconds that decoding all of them took.
"""

from __future__ import annotations

import json
import os
import sys
import time

from faster_whisper import WhisperModel

LANGUAGE = "en"
COMPUTE_TYPE = "int8"


def main() -> None:
    """Decode the files, one after the other, with faster-whisper's own defaults."""
    folder, *files = sys.argv[1:]
    model = WhisperModel(folder, device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=len(os.sched_getaffinity(0)))
    texts = [decode(model, file) for file in files]  # the first round warms up, and its texts are the ones compared
    started = time.monotonic()
    for file in files:
        decode(model, file)
    print(json.dumps({"texts": texts, "seconds": time.monotonic() - started}))


def decode(model: WhisperModel, file: str) -> str:
    """The text of one recording."""
    segments, _ = model.transcribe(file, language=LANGUAGE)
    return "".join(segment.text for segment in segments).strip()


if __name__ == "__main__":
    main()
