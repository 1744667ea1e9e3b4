"""The operator with loads from a file instead of pods and bridges: `python -m cluster.operator_with_loads run`.

The file, at the environment variable LOADS, is JSON: {"whisper": members of a Load, "ollama": the same, "pods": members
of a Report by pod name}. It is read at every observation; without it, loads are unknown.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any
from unittest import mock

from speechoperator.__main__ import main
from speechoperator.observe.observer import Observation, Observer
from speechoperator.plan.scaling.load import Load, Loads, Report

_observe = Observer.observe


def _read() -> Mapping[str, Any]:
    file = Path(os.environ["LOADS"])
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


def _observed(observer: Observer, *args: Any) -> Observation | None:
    found, given = _observe(observer, *args), _read()
    if found is None or not given:
        return found
    loads = Loads(Load(**given["whisper"], seen_at=time()), Load(**given["ollama"], seen_at=time()))
    pods = {name: Report(**members) for name, members in given["pods"].items()}
    return replace(found, snapshot=replace(found.snapshot, loads=loads, pod_loads=pods))


if __name__ == "__main__":
    with mock.patch.object(Observer, "observe", _observed):
        sys.exit(main())
