"""pipecat's speech-to-text service with its default model."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from pipecat.services.openai.stt import OpenAISTTService


async def main(recording: bytes) -> None:
    service = OpenAISTTService(base_url=f"{sys.argv[1]}/v1", api_key="unused")
    frames = [frame async for frame in service.run_stt(recording)]
    found = [
        {"type": type(frame).__name__, "text": getattr(frame, "text", "") or getattr(frame, "error", "")}
        for frame in frames
    ]
    print(json.dumps(found))


asyncio.run(main(Path(sys.argv[2]).read_bytes()))
