"""faster-whisper as its README shows it: `python faster_whisper_worker.py MODEL DEVICE COMPUTE_TYPE [LANGUAGE]`.

Reads requests from standard input and answers on standard output, one JSON object a line. A request names files and how
many `clients` send them, each one file at a time, to a model with so many `workers`; with one worker they wait their
turn. The answer has the text and the latency of each file in the order given, and the seconds that all of them took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from faster_whisper import WhisperModel


class Worker:
    """Models with one worker or several, each loaded when it is first used."""

    def __init__(self, folder: str, device: str, compute_type: str, language: str | None) -> None:
        self._folder, self._device, self._compute_type = folder, device, compute_type
        self._language = language
        self.model = cache(self._model)

    def _model(self, workers: int) -> WhisperModel:
        threads = max(1, len(os.sched_getaffinity(0)) // workers)
        options = {"device": self._device, "compute_type": self._compute_type, "num_workers": workers}
        return WhisperModel(self._folder, cpu_threads=threads, **options)

    def decode(self, workers: int, file: str) -> str:
        """The text of one file, with faster-whisper's defaults: beam search, no voice activity filter."""
        segments, _ = self.model(workers).transcribe(file, language=self._language)
        return "".join(segment.text for segment in segments).strip()

    def answer(self, files: list[str], workers: int, clients: int) -> dict[str, Any]:
        """Transcribe the files in a closed loop."""
        texts, latencies = [""] * len(files), [0.0] * len(files)
        todo = iter(range(len(files)))  # next() of a range's iterator is atomic
        self.decode(workers, files[0])  # loads and warms up
        started = time.monotonic()
        with ThreadPoolExecutor(workers) as decoding, ThreadPoolExecutor(clients) as asking:

            def client() -> None:
                for number in todo:
                    asked = time.monotonic()
                    texts[number] = decoding.submit(self.decode, workers, files[number]).result()
                    latencies[number] = time.monotonic() - asked

            for turn in [asking.submit(client) for _ in range(clients)]:
                turn.result()
        return {"texts": texts, "latencies": latencies, "seconds": time.monotonic() - started}


def main() -> None:
    """Answer requests until standard input ends."""
    folder, device, compute_type, *language = sys.argv[1:]
    worker = Worker(folder, device, compute_type, language[0] if language else None)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(worker.answer(**json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
