"""Recordings in a chat, in the forms that clients send them."""

import base64

import pytest

from bridge.chats import BASE64, Json, asked, chat, input_audio
from bridge.running import WAV, Bridge
from bridge.wire import all_events
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.transcripts import SILENCE
from speechbridge.api.chat_recordings import MAX_RECORDINGS
from speechbridge.generators.prompt import GUARD, marked_transcript

pytestmark = pytest.mark.unit

CHATS, RESPONSES = "/v1/chat/completions", "/v1/responses"
URI = f"data:audio/wav;base64,{BASE64}"
UNUSUAL = b"RIFF\xfb\xff\xbf!" * 11
"""Bytes whose base64 has both characters in which the alphabets differ, and padding."""


SENT: dict[str, tuple[Json, bytes]] = {
    "plain": (input_audio(BASE64, format="wav"), WAV),
    "format null": (input_audio(BASE64, format=None), WAV),
    "data URI": (input_audio(URI), WAV),
    "data URI, escaped": (input_audio(URI.replace("+", "%2B").replace("=", "%3D")), WAV),
    "DATA URI": (input_audio(f"DATA:AUDIO/WAV;BASE64,{BASE64}"), WAV),
    "line breaks": (input_audio(base64.encodebytes(WAV).decode()), WAV),
    "CRLF": (input_audio(base64.encodebytes(WAV).decode().replace("\n", "\r\n")), WAV),
    "no padding": (input_audio(base64.b64encode(UNUSUAL).decode().rstrip("=")), UNUSUAL),
    "URL-safe": (input_audio(base64.urlsafe_b64encode(UNUSUAL).decode()), UNUSUAL),
    "audio_url": ({"type": "audio_url", "audio_url": {"url": URI}}, WAV),
    "audio_url of text": ({"type": "audio_url", "audio_url": URI}, WAV),
    "file": ({"type": "file", "file": {"file_data": URI}}, WAV),
    "file by its name": ({"type": "file", "file": {"file_data": BASE64, "filename": "Call.WAV"}}, WAV),
}


@pytest.mark.parametrize("case", SENT)
async def test_a_recording_arrives_whatever_its_form(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat, case: str
) -> None:
    part, data = SENT[case]
    speech_whisper.accepts_anything = True

    got, _ = await chat(streaming_bridge, asked({"type": "text", "text": "Summarise:"}, part))

    assert got == 200
    audio = speech_whisper.work[0].audio
    assert audio
    assert (audio.size, audio.head) == (len(data), data[:64])
    transcript = marked_transcript(speech_whisper.transcript.text.strip())
    assert openai_chat.work[0].json["messages"][-1]["content"] == f"Summarise:\n\n{transcript}"


REFUSED: dict[str, tuple[Json, str]] = {
    "a URL": ({"type": "audio_url", "audio_url": {"url": "http://intranet/a.wav"}}, "the bridge fetches no URLs"),
    "no URL": ({"type": "audio_url", "audio_url": {}}, "requires a data: URI"),
    "a data URI of text": (input_audio("data:audio/wav,RIFF"), "must be in base64"),
    "a data URI without data": (input_audio("data:audio/wav"), "not valid base64"),
    "no base64": (input_audio("%%%"), "not valid base64"),
    "a number": (input_audio(5), "requires 'data'"),
    "a format of numbers": (input_audio(BASE64, format=5), "must be a string"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_an_invalid_recording_is_refused_before_whisper_works(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, case: str
) -> None:
    part, reason = REFUSED[case]

    got, answer = await chat(streaming_bridge, asked(input_audio(BASE64), part))

    assert (got, answer["error"]["code"], answer["error"]["param"]) == (400, "bad_field", "messages")
    assert reason in answer["error"]["message"]
    assert speech_whisper.work == []


async def test_a_file_that_is_no_audio_is_left_to_the_model(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat
) -> None:
    part = {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"}}

    await chat(streaming_bridge, asked(part))

    assert openai_chat.work[0].json["messages"] == asked(part)["messages"]


async def test_the_number_of_recordings_is_limited(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    got, answer = await chat(streaming_bridge, asked(*[input_audio(BASE64)] * (MAX_RECORDINGS + 1)))

    assert (got, answer["error"]["code"]) == (400, "bad_field")
    assert speech_whisper.work == []


TEXT_PART = {"type": "text", "text": "You are brief."}


@pytest.mark.parametrize(
    ("system", "guarded"),
    [
        ([], {"role": "system", "content": GUARD}),
        (
            [{"role": "system", "content": "You are brief."}],
            {"role": "system", "content": f"{GUARD}\n\nYou are brief."},
        ),
        ([{"role": "developer", "content": None}], {"role": "developer", "content": GUARD}),
        (
            [{"role": "system", "content": [TEXT_PART]}],
            {"role": "system", "content": [{"type": "text", "text": GUARD}, TEXT_PART]},
        ),
    ],
)
async def test_the_system_message_explains_the_delimiters(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, system: list[Json], guarded: Json
) -> None:
    question = asked(input_audio(BASE64))["messages"]

    await chat(streaming_bridge, {"messages": [*system, *question]})

    first, *others = openai_chat.work[0].json["messages"]
    assert first == guarded
    assert [message["role"] for message in others] == ["user"]


@pytest.mark.parametrize("text", ["</transcript>", "< / TRANSCRIPT >", "<transcript>", "<Transcript x>"])
def test_delimiters_in_a_transcript_are_defused(text: str) -> None:
    marked = marked_transcript(f"He said {text} and left.")

    assert marked.count("<") == 2
    assert marked.startswith("<transcript>\nHe said (")


DOUBTFUL = {"code": "doubtful", "message": "From 1.0 to 2.0 s: improbable."}
NO_SPEECH = {"code": "no_speech", "message": "No speech was found in the recording."}
NO_WORDS = {"code": "no_words", "message": "From 0.0 to 3.0 s: speech without words."}


def spoken_to(path: str) -> Json:
    """A request of a route with a recording."""
    question = asked(input_audio(BASE64), {"type": "text", "text": "Summarise."})["messages"]
    return {"messages" if path == CHATS else "input": question if path == CHATS else as_input(question)}


def as_input(messages: list[Json]) -> list[Json]:
    parts = [{**part, "type": "input_text"} if part["type"] == "text" else part for part in messages[0]["content"]]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize("path", [CHATS, RESPONSES])
@pytest.mark.parametrize(
    ("reported", "sentence", "warnings"),
    [
        ([], "(No speech was found in the recording.)", [NO_SPEECH]),
        (
            [NO_WORDS],
            "(No words were recognized in the recording.)",
            [NO_WORDS, {"code": "no_speech", "message": "No words were recognized in the recording."}],
        ),
    ],
    ids=["silence", "no words"],
)
async def test_the_model_and_the_client_are_told_of_silence(
    streaming_bridge: Bridge,
    speech_whisper: FakeSpeechWhisper,
    openai_chat: FakeOpenAIChat,
    path: str,
    reported: list[dict[str, str]],
    sentence: str,
    warnings: list[dict[str, str]],
) -> None:
    speech_whisper.transcript, speech_whisper.warnings = SILENCE, reported

    async with streaming_bridge.client.post(path, json=spoken_to(path)) as response:
        answer = await response.json()

    assert response.status == 200
    assert answer["warnings"] == warnings
    assert openai_chat.work[0].json["messages"][-1]["content"] == f"{sentence}\n\nSummarise."


@pytest.mark.parametrize("path", [CHATS, RESPONSES])
@pytest.mark.parametrize("reported", [[], [DOUBTFUL]], ids=["none", "doubt"])
async def test_warnings_of_whisper_are_passed_on(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, path: str, reported: list[dict[str, str]]
) -> None:
    speech_whisper.warnings = reported

    async with streaming_bridge.client.post(path, json=spoken_to(path)) as response:
        answer = await response.json()

    assert answer["warnings"] == reported


@pytest.mark.parametrize(
    ("path", "body"), [(CHATS, {"messages": [{"role": "user", "content": "Hi"}]}), (RESPONSES, {"input": "Hi"})]
)
async def test_the_answer_to_text_has_no_warnings(streaming_bridge: Bridge, path: str, body: Json) -> None:
    async with streaming_bridge.client.post(path, json=body) as response:
        assert "warnings" not in await response.json()


async def test_the_last_event_of_a_response_has_the_warnings(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.transcript = SILENCE

    async with streaming_bridge.client.post(RESPONSES, json={**spoken_to(RESPONSES), "stream": True}) as response:
        events = await all_events(response)

    assert events[-1].data["response"]["warnings"] == [NO_SPEECH]
