"""livekit's speech-to-text plugin with its default model."""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from livekit import rtc
from livekit.plugins import openai


async def main() -> None:
    with wave.open(sys.argv[2]) as recording:
        frame = rtc.AudioFrame(
            recording.readframes(recording.getnframes()), recording.getframerate(), 1, recording.getnframes()
        )
    stt = openai.STT(base_url=f"{sys.argv[1]}/v1", api_key="unused")
    event = await stt.recognize(frame)
    print(json.dumps({"model": stt.model, "text": event.alternatives[0].text}))
    await stt.aclose()


asyncio.run(main())
