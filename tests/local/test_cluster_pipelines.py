"""A pipeline's state as `kubectl get --watch` delivers it."""

import json
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from speechlocal.cluster import pipelines
from speechlocal.errors import LocalError

pytestmark = pytest.mark.unit


def pipeline(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "speech", "generation": 2}, "status": {"observedGeneration": 2, **status}}


class TestWatch:
    @staticmethod
    def kubectl(folder: Path, body: str) -> list[str]:
        script = folder / "kubectl.py"
        script.write_text(f"import sys, time\n{body}")
        return [sys.executable, str(script)]

    async def test_each_object_is_yielded_as_soon_as_it_is_complete(self, tmp_path: Path) -> None:
        first, second = (json.dumps(pipeline(url=url), indent=2, ensure_ascii=False) for url in ("é", "b"))
        half = len(first.encode()) // 2
        body = f"""
whole = {(first + chr(10) + second).encode()!r}
sys.stdout.buffer.write(whole[:{half}]); sys.stdout.buffer.flush()
sys.stdout.buffer.write(whole[{half}:]); sys.stdout.buffer.flush()
sys.stdin.read()
"""
        seen = []
        async with aclosing(pipelines.watch(self.kubectl(tmp_path, body), "default", "speech")) as states:
            async for state in states:
                seen.append(state.url)
                if len(seen) == 2:
                    break

        assert seen == ["é", "b"]

    async def test_a_failure_has_kubectls_own_message(self, tmp_path: Path) -> None:
        kubectl = self.kubectl(tmp_path, "sys.exit('Error from server (NotFound): no speech')")

        with pytest.raises(LocalError, match="NotFound"):
            async with aclosing(pipelines.watch(kubectl, "default", "speech")) as states:
                await anext(states)
