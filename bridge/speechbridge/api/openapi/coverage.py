"""OpenAPI: how much of a recording was transcribed, and warnings."""

from __future__ import annotations

from speechbridge.api.openapi.schemas import Json, listing, number, record, ref, text

COVERAGE_EXAMPLE = {"audio_seconds": 5.8, "speech_seconds": 5.4, "transcribed_seconds": 5.8, "gaps": [], "doubtful": []}
WARNINGS = listing("Warnings about a successful request.", ref("Warning"))
RECORDING_WARNINGS = listing("Warnings about the recordings in the request; missing if it has none.", ref("Warning"))

_SECONDS = "Seconds from the start of the recording."

SCHEMAS: Json = {
    "Coverage": record(
        "How much of the recording was transcribed; null if the Whisper server does not report it.",
        ("gaps", "doubtful"),
        audio_seconds=number("Duration of the recording in seconds.", minimum=0),
        speech_seconds=number("Seconds of speech, as found by the voice activity detector.", minimum=0),
        transcribed_seconds=number("Seconds passed to Whisper: without long silence.", minimum=0),
        gaps=listing("Stretches without audio data in the file; they are silent for Whisper.", ref("Stretch")),
        doubtful=listing("Stretches whose transcript may be wrong.", ref("Stretch")),
    ),
    "Stretch": record(
        "A stretch of the recording.",
        start=number(_SECONDS, minimum=0),
        end=number(_SECONDS, minimum=0),
        reason=text(
            "Of a gap: `no_data` (the file has none there) or `damaged`. Of a doubtful stretch: `repetition`, "
            "`improbable`, `too_fast`, `incomplete` (the text may end too early), `no_speech` (text where no speech "
            "was detected) or `no_words` (speech without text)."
        ),
    ),
    "Warning": record(
        "A warning.",
        code=text(
            "Stable code.",
            enum=[
                "no_speech",
                "damaged_audio",
                "truncated",
                "doubtful",
                "no_words",
                "uncertain_language",
                "channels_mixed",
                "context_length_exceeded",
                "length",
                "empty_response",
            ],
        ),
        message=text("One human-readable sentence."),
    ),
}
