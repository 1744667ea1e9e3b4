"""Both HTTP services take the same forms, whatever clients make of them; the bridge passes them on to Whisper."""

from __future__ import annotations

import json
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from bridge.running import WAV
from bridge.wire import BOUNDARY, multipart, part
from contract.services.programs import BRIDGE, DEADLINE_S, WHISPER, Answer
from speechbridge.intake import fields
from speechwhisper.intake import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.unit

TRANSCRIPTIONS = "/v1/audio/transcriptions"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
FILE = part("file", WAV, filename="a.wav")
VERBOSE = part("response_format", "verbose_json")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, int]]:
    """A Whisper server with a scripted decoder, which knows English and German, and a bridge in front of it."""
    with ExitStack() as stack:
        whisper = stack.enter_context(WHISPER.serving(tmp_path_factory.mktemp("whisper")))
        port = whisper.said("listening")["port"]
        upstream = {
            "WHISPER_URL": f"http://127.0.0.1:{port}",
            "TRANSCRIBER": "openai",
            "WHISPER_MODEL_ALIASES": "small",
        }
        bridge = stack.enter_context(BRIDGE.serving(tmp_path_factory.mktemp("bridge"), **upstream))
        yield {"whisper": port, "bridge": bridge.said("listening")["port"]}


@pytest.fixture(params=["bridge", "whisper"])
def port(request: pytest.FixtureRequest, ports: Mapping[str, int]) -> int:
    return ports[request.param]


def post(port: int, *parts: bytes, path: str = TRANSCRIPTIONS, body: bytes | None = None, form: str = FORM) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.request("POST", path, multipart(*parts) if body is None else body, {"Content-Type": form})
        response = connection.getresponse()
        return Answer(response.status, dict(response.headers.items()), response.read().decode())
    finally:
        connection.close()


def heard(answer: Answer) -> dict[str, Any]:
    """The transcript of an answer that has to be verbose_json."""
    assert answer.status == 200, answer.body
    transcript: dict[str, Any] = json.loads(answer.body)
    assert "segments" in transcript
    return transcript


@pytest.mark.parametrize("filename", ["blob", "", "language.txt"])
def test_a_text_field_may_have_a_filename(port: int, filename: str) -> None:
    fields = [
        part("language", "de", filename=filename, headers="Content-Type: application/octet-stream\r\n"),
        part("response_format", "verbose_json", filename=filename),
    ]

    assert heard(post(port, *fields, FILE))["language_code"] == "de"
    assert heard(post(port, FILE, *fields))["language_code"] == "de"


def test_both_know_the_same_text_fields() -> None:
    process_alone = {"initial_prompt", "task", "whisper_temperature"}
    language_model = {"keep_alive", "max_tokens", "seed", "stop", "system", "think"}
    assert process_alone | language_model == fields.FIELD_NAMES - options._OPTIONS
    assert not options._OPTIONS - fields.FIELD_NAMES


@pytest.mark.parametrize("name", ["file", "audio_file"])
def test_the_recording_has_either_name_and_needs_no_filename(port: int, name: str) -> None:
    assert heard(post(port, VERBOSE, part(name, WAV, filename="a.wav")))["duration"] == 1
    assert heard(post(port, VERBOSE, part(name, WAV)))["duration"] == 1


@pytest.mark.parametrize("name", ["file", "audio_file"])
def test_asr_takes_both_names_too(ports: Mapping[str, int], name: str) -> None:
    assert post(ports["whisper"], part(name, WAV, filename="a.wav"), path="/asr").status == 200


@pytest.mark.parametrize("name", ["audio", "files", "file[]", "recording"])
def test_a_file_of_another_name_is_named_in_the_refusal(port: int, name: str) -> None:
    answer = post(port, part(name, WAV * 20, filename="a.wav"))

    assert (answer.status, answer.json["error"]["code"]) == (400, "no_file")
    assert repr(name) in answer.json["error"]["message"]


def test_another_file_beside_the_recording_is_ignored(port: int) -> None:
    assert heard(post(port, part("notes", b"\xff\x00" * 300_000, filename="notes.bin"), VERBOSE, FILE))


@pytest.mark.parametrize("codec", ["cp1252", "cp1251", "gbk", "shift_jis"])
def test_a_filename_in_any_code_page(port: int, codec: str) -> None:
    name = {"cp1252": "Größe", "cp1251": "запись", "gbk": "錄音", "shift_jis": "表"}[codec].encode(codec)

    assert heard(post(port, VERBOSE, FILE.replace(b"a.wav", name)))


@pytest.mark.parametrize(
    ("ordinary", "odd"),
    [
        (b"form-data;", b"attachment;"),
        (b'filename="a.wav"', b'filename="5\\" disk.wav"'),
        (b'filename="a.wav"', b"filename=\"a.wav\"; filename*=ISO-8859-1''%E9.wav"),
        (b'filename="a.wav"', b"filename=\"a.wav\"; filename*=UTF-8''%FF.wav"),
        (b'filename="a.wav"\r\n', b'filename="a.wav"\r\nX-Note: caf\xe9\r\n'),
    ],
)
def test_odd_headers_of_the_recording(port: int, ordinary: bytes, odd: bytes) -> None:
    assert heard(post(port, VERBOSE, FILE.replace(ordinary, odd)))


@pytest.mark.parametrize("language", ["de-AT", "German", "deu", "ger", "DE"])
def test_languages(port: int, language: str) -> None:
    transcript = heard(post(port, part("language", language), VERBOSE, FILE))

    assert (transcript["language"], transcript["language_code"]) == ("german", "de")


@pytest.mark.parametrize("language", ["Klingon", "en,DE"])
def test_an_unknown_language_is_repeated_as_it_was_sent(port: int, language: str) -> None:
    answer = post(port, part("language", language), FILE)

    assert (answer.status, answer.json["error"]["code"]) == (400, "unknown_language")
    assert repr(language) in answer.json["error"]["message"]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-mini-transcribe", "Small", "Systran/faster-whisper-small"])
def test_names_of_the_model(port: int, model: str) -> None:
    assert heard(post(port, part("model", model), VERBOSE, FILE))


@pytest.mark.parametrize("model", ["gpt-9", "large-v3", "gpt-4o-transcribe-diarize"])
def test_another_model_is_refused_in_few_words(port: int, model: str) -> None:
    answer = post(port, part("model", model + "x" * 50_000), FILE)

    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert model in answer.json["error"]["message"]
    assert len(answer.body) < 500


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audio/transcriptions/",
        "//v1/audio/transcriptions",
        "/v1//audio///transcriptions//",
        "/v1/v1/audio/transcriptions",
        "/v1//v1/audio/transcriptions",
        "/audio/transcriptions",
        "/v1/audio/transcriptions/?source=test",
    ],
)
def test_paths_as_clients_put_them_together(port: int, path: str) -> None:
    assert heard(post(port, VERBOSE, FILE, path=path))


@pytest.mark.parametrize("path", ["/v2/audio/transcriptions", "/audio", "/v1/audio/", "/livez/", "//metrics", "/v1"])
def test_other_paths_are_not_found(port: int, path: str) -> None:
    assert post(port, VERBOSE, FILE, path=path).status == 404


@pytest.mark.parametrize(
    "fields",
    [
        [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")],
        [("timestamp_granularities", "word,segment")],
        [("timestamp_granularities[]", "Word, Segment")],
        [("timestamp_granularities", '["word", "segment"]')],
        [("timestamp_granularities[0]", "word"), ("timestamp_granularities[1]", "segment")],
    ],
)
def test_a_list_in_any_form(port: int, fields: list[tuple[str, str]]) -> None:
    parts = [part(*field) for field in fields]

    assert "words" in heard(post(port, *parts, FILE, VERBOSE))
    assert "words" not in heard(post(port, part("timestamp_granularities[]", ""), FILE, VERBOSE))


@pytest.mark.parametrize("value", ["phoneme", "word segment", '{"word": 1}'])
def test_another_granularity_is_refused(port: int, value: str) -> None:
    answer = post(port, part("timestamp_granularities", value), VERBOSE, FILE)

    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_field")


def test_a_format_in_any_letter_case(port: int) -> None:
    assert heard(post(port, part("response_format", "Verbose_JSON"), FILE))
    assert post(port, part("response_format", "TEXT"), FILE).body == "\n"


@pytest.mark.parametrize(
    "media_type", ["audio/wav", "Audio/X-Wav; rate=16000", "video/mp4", "application/octet-stream"]
)
def test_the_body_may_be_the_recording_with_options_in_the_query(port: int, media_type: str) -> None:
    path = f"{TRANSCRIPTIONS}?response_format=verbose_json&language=German&timestamp_granularities[]=word,segment"
    transcript = heard(post(port, path=path, body=WAV, form=media_type))

    assert (transcript["language_code"], transcript["duration"], "words" in transcript) == ("de", 1, True)


def test_an_option_in_the_query_is_checked(port: int) -> None:
    answer = post(port, path=f"{TRANSCRIPTIONS}?language=klingon", body=WAV, form="audio/wav")

    assert (answer.status, answer.json["error"]["code"]) == (400, "unknown_language")


def test_asr_takes_a_bare_recording_too(ports: Mapping[str, int]) -> None:
    answer = post(ports["whisper"], path="/asr?output=json&language=de", body=WAV, form="audio/wav")

    assert (answer.status, json.loads(answer.body)["language"]) == (200, "de")
