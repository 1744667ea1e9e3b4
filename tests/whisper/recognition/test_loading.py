"""Before the port opens the model has decoded something; what the device lacks is said then, not to each request."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from speechwhisper.audio.decode import open_recording
from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import gpu_memory, loading, speech
from speechwhisper.recognition.loading import ModelUnavailableError, load
from speechwhisper.recognition.model import Model
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Stop
from speechwhisper.recognition.tuning import Tuning, for_cuda
from speechwhisper.settings import Settings
from whisper.conftest import launch
from whisper.scripted import DEADLINE, loud
from whisper.scripted_model import NO_CUBLAS, ScriptedModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from speechwhisper.recognition.engine import Engine


def loaded(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel, **settings: object) -> ScriptedModel:
    load_scripted(monkeypatch, model, **settings)
    return model


def load_scripted(monkeypatch: pytest.MonkeyPatch, model: ScriptedModel, **settings: object) -> Engine:
    monkeypatch.setattr(loading, "WhisperModel", lambda *_, **__: model)
    return load(Settings(whisper_model="medium", **settings))


@pytest.mark.unit
def test_a_model_is_loaded_once_it_has_decoded_a_second_of_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (loaded(monkeypatch, ScriptedModel()) for _ in range(2))

    (noise,) = first.heard
    assert len(noise) == RATE
    assert noise.dtype == np.float32
    assert 0.001 < np.abs(noise).max() < 0.1
    assert np.array_equal(noise, *second.heard)


@pytest.mark.unit
def test_weights_that_were_fetched_are_loaded_from_their_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "Systran--faster-whisper-medium"
    folder.mkdir()
    (folder / "fetched.json").write_text("{}")
    sources: list[str] = []

    def model(source: str, **_: object) -> ScriptedModel:
        sources.append(source)
        return ScriptedModel()

    monkeypatch.setattr(loading, "WhisperModel", model)
    load(Settings(whisper_model="medium", whisper_download_root=str(tmp_path)))

    assert sources == [str(folder)]


@pytest.mark.unit
def test_noise_is_not_worth_more_than_one_attempt_and_a_few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = loaded(monkeypatch, ScriptedModel(), whisper_beam_size=3, whisper_batch_size=1)

    (prompt,) = model.prompts
    assert model.arguments["max_length"] - len(prompt) <= 40
    assert model.arguments["beam_size"] == 3
    assert "sampling_temperature" not in model.arguments


@pytest.mark.unit
@pytest.mark.parametrize("setting", [False, True])
@pytest.mark.parametrize("vad_filter", [False, True])
def test_previous_text_is_given_to_the_model_only_if_configured(
    monkeypatch: pytest.MonkeyPatch, *, setting: bool, vad_filter: bool
) -> None:
    model = ScriptedModel()
    decoder = load_scripted(monkeypatch, model, whisper_condition_on_previous_text=setting, whisper_batch_size=1)
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.full(60 * RATE, 16_384, dtype=np.int16)  # two blocks at least

    recording = open_recording(io.BytesIO(samples.tobytes()), 3600, raw=True)
    decoder.decode(recording, Options(language="en", vad_filter=vad_filter), lambda _: None, Stop())
    decoder.close()

    _, first, second, *_ = model.prompts  # after that of the noise
    said = set(model.tokens(" Hello."))
    assert not said & set(first)
    assert said <= set(second) if setting else first == second


@pytest.mark.unit
@pytest.mark.parametrize(("search", "beams"), [("fast", 1), ("accurate", 5)])
def test_the_search_of_a_block_starts_as_configured(monkeypatch: pytest.MonkeyPatch, search: str, beams: int) -> None:
    model = ScriptedModel()
    decoder = load_scripted(monkeypatch, model, whisper_search=search, whisper_batch_size=1)
    monkeypatch.setattr(speech, "get_speech_timestamps", loud)
    samples = np.full(3 * RATE, 16_384, dtype=np.int16)

    recording = open_recording(io.BytesIO(samples.tobytes()), 3600, raw=True)
    decoder.decode(recording, Options(language="en"), lambda _: None, Stop())
    decoder.close()

    assert len(model.prompts) == 2  # that of the noise, and one attempt
    assert model.arguments["beam_size"] == beams


@pytest.mark.unit
def test_the_width_of_a_model_is_that_of_its_states() -> None:
    whisper = ScriptedModel()
    whisper.model.encode = lambda features: np.zeros((*np.shape(features)[:1], 1, 512))

    assert Model(whisper, beam_size=5).width == 512


@pytest.mark.unit
@pytest.mark.parametrize(
    ("device", "compute_type", "expected"),
    [("cpu", "auto", "int8"), ("cuda", "auto", "float16"), ("cuda", "int8_float16", "int8_float16")],
)
def test_the_compute_type_fits_the_device(
    monkeypatch: pytest.MonkeyPatch, device: str, compute_type: str, expected: str
) -> None:
    asked: list[dict[str, object]] = []

    def whisper_model(_: str, **arguments: object) -> ScriptedModel:
        asked.append(arguments)
        return ScriptedModel()

    monkeypatch.setattr(loading, "WhisperModel", whisper_model)
    load(Settings(whisper_model="medium", whisper_device=device, whisper_compute_type=compute_type)).close()

    assert [(one["device"], one["compute_type"]) for one in asked] == [(device, expected)]


@pytest.mark.unit
def test_the_model_is_loaded_on_each_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    models: dict[object, ScriptedModel] = {}

    def whisper_model(_: str, **arguments: object) -> ScriptedModel:
        return models.setdefault(arguments["device_index"], ScriptedModel())

    monkeypatch.setattr(loading, "WhisperModel", whisper_model)
    settings = Settings(whisper_model="medium", whisper_device="cuda", whisper_device_index="1,3", whisper_batch_size=1)
    load(settings).close()

    assert [(index, len(model.prompts)) for index, model in models.items()] == [(1, 1), (3, 1)]


GIB = 2**30


@pytest.mark.unit
def test_the_gpu_with_the_least_memory_decides_the_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {0: [80.0, 79.0], 1: [3.0, 2.0]}  # before and after the model is loaded
    monkeypatch.setattr(gpu_memory, "free_bytes", lambda gpu: int(free[gpu].pop(0) * GIB))
    monkeypatch.setattr(loading, "WhisperModel", lambda *_, **__: ScriptedModel())

    engine = load(Settings(whisper_model="medium", whisper_device="cuda", whisper_device_index="0,1"))
    engine.close()

    assert engine.batch_size == for_cuda(Tuning(), free_bytes=2 * GIB, weights_bytes=GIB).batch_size < 32


@pytest.mark.unit
@pytest.mark.parametrize("search", ["fast", "accurate"])
def test_a_full_batch_is_tried_out_on_a_gpu_and_becomes_smaller_until_it_fits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, search: str
) -> None:
    model = ScriptedModel(memory=5)

    engine = load_scripted(monkeypatch, model, whisper_batch_size=16, whisper_search=search)
    engine.close()

    assert model.batches == [1, 16, 8, 4]
    assert engine.batch_size == 4
    assert caplog.messages.count("batches are smaller from now on: the device is out of memory") == 2


@pytest.mark.unit
def test_what_fails_in_a_full_batch_only_is_said_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel()
    generate = model.model.generate

    def fails(encoded: NDArray[np.float32], prompts: list[list[int]], **arguments: object) -> object:
        if len(prompts) > 1:
            raise NO_CUBLAS
        return generate(encoded, prompts, **arguments)

    model.model.generate = fails

    with pytest.raises(ModelUnavailableError, match="cannot decode"):
        loaded(monkeypatch, model, whisper_batch_size=16)


@pytest.mark.unit
def test_the_log_says_on_what_and_how_long_it_decoded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        loaded(monkeypatch, ScriptedModel())

    (fields,) = (vars(record)["fields"] for record in caplog.records if record.name == "speechwhisper")
    assert (fields["device"], fields["compute_type"]) == ("cuda", "float16")
    assert fields["duration_ms"] >= 0


@pytest.mark.unit
@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (NO_CUBLAS, "tag ends in -cuda"),
        (RuntimeError("CUDA failed with error out of memory"), "a smaller WHISPER_MODEL"),
        (MemoryError(), "a smaller WHISPER_MODEL"),
        (RuntimeError("CUDA failed with error an illegal memory access was encountered"), "nvidia-smi"),
        (RuntimeError("cuBLAS failed with status CUBLAS_STATUS_NOT_INITIALIZED"), "nvidia-smi"),
        (
            ValueError("Invalid input features shape: expected an input with shape (1, 128, 3000)"),
            "WHISPER_MODEL to a folder",
        ),
    ],
)
def test_what_a_device_lacks_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    with pytest.raises(ModelUnavailableError) as failed:
        loaded(monkeypatch, ScriptedModel(error))

    said, advice = str(failed.value).split("\nWhat to do: ")
    assert "cannot decode (device cuda, compute type float16)" in said
    assert (str(error) or "MemoryError") in said
    assert remedy in advice


@pytest.mark.unit
@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (RuntimeError("CUDA failed with error CUDA driver version is insufficient for CUDA runtime version"), "driver"),
        (RuntimeError("CUDA failed with error out of memory"), "a smaller WHISPER_MODEL"),
        (MemoryError(), "a smaller WHISPER_MODEL"),
        (ValueError("Requested float16 compute type, but the target device or backend do not"), "WHISPER_COMPUTE_TYPE"),
        (RuntimeError("Unable to open file 'model.bin' in model '/models/x'"), "WHISPER_MODEL to a folder"),
    ],
)
def test_weights_that_a_device_does_not_take_are_no_weights_to_look_for(
    monkeypatch: pytest.MonkeyPatch, error: Exception, remedy: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(loading, "WhisperModel", refuse)

    with pytest.raises(ModelUnavailableError, match=r"^cannot load WHISPER_MODEL=medium") as failed:
        load(Settings(whisper_model="medium"))

    assert remedy in str(failed.value).split("What to do:")[1]


@pytest.mark.unit
def test_a_fault_of_our_own_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError):
        loaded(monkeypatch, ScriptedModel(KeyError("beam_size")))


STARTING = """
import sys
from speechwhisper.recognition import loading
from speechwhisper.__main__ import main
from whisper.scripted_model import NO_CUBLAS, ScriptedModel
loading.WhisperModel = lambda *_, **__: ScriptedModel(NO_CUBLAS if "fail" in sys.argv else None)
sys.exit(main([]))
"""


def server_on_a_gpu(*arguments: str) -> tuple[int, list[str]]:
    """Run a server whose model is a scripted one until it listens or ends; its exit status and lines."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "SERVER_HOST": "127.0.0.1", "SERVER_PORT": "0"}
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", STARTING, *arguments], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stderr
        for line in process.stderr:
            lines.append(line)
            if '"listening"' in line:
                process.terminate()
        watchdog.cancel()
    return process.returncode, lines


@pytest.mark.unit
def test_a_server_that_cannot_decode_ends_before_its_port_opens() -> None:
    status, lines = server_on_a_gpu("fail")

    assert status == 1
    assert [json.loads(line)["message"] for line in lines[:-2]] == ["loading the model"]
    assert "device cuda, compute type float16" in lines[-2]
    assert str(NO_CUBLAS) in lines[-2]
    assert lines[-1].startswith("What to do: ")


@pytest.mark.unit
def test_a_server_that_can_decode_opens_its_port_after_that() -> None:
    status, lines = server_on_a_gpu()

    assert status == 0
    messages = [json.loads(line)["message"] for line in lines]
    assert messages[:3] == ["loading the model", "decoded one second of noise", "listening"]


@pytest.mark.component
@pytest.mark.parametrize("batch_size", ["0", "4"])
def test_real_weights_decode_noise_before_the_port_opens(model_folder: str, batch_size: str) -> None:
    running = launch(model_folder, WHISPER_DEVICE="cpu", WHISPER_BATCH_SIZE=batch_size)
    running.process.terminate()

    assert running.process.wait(timeout=DEADLINE) == 0
    lines = [json.loads(line) for line in running.log]
    assert [line["message"] for line in lines][:3] == ["loading the model", "decoded one second of noise", "listening"]
    assert lines[1]["device"] == "cpu"
    assert lines[1]["compute_type"].startswith("int8")


@pytest.mark.component
def test_real_weights_that_load_but_cannot_decode_never_get_ready(model_folder: str, tmp_path: Path) -> None:
    for file in Path(model_folder).iterdir():
        (tmp_path / file.name).symlink_to(file)
    # Features of another size than the weights were trained with: large-v3's.
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"feature_size": 128}))
    settings = {"WHISPER_MODEL": str(tmp_path), "WHISPER_DEVICE": "cpu", "WHISPER_COMPUTE_TYPE": "int8"}

    ended = subprocess.run(
        [sys.executable, "-m", "speechwhisper"],
        env={**os.environ, **settings, "SERVER_PORT": "0", "SERVER_HOST": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "is loaded but cannot decode (device cpu, compute type int8" in ended.stderr
    assert "128" in ended.stderr
    assert '"listening"' not in ended.stderr
    assert "Traceback" not in ended.stderr
