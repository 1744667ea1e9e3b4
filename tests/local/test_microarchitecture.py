"""The level of x86-64 that programs are built for."""

from pathlib import Path

import pytest

from speechlocal import microarchitecture

pytestmark = pytest.mark.unit

OLD = "flags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt avx xsave"
NEW = f"{OLD} avx2 bmi1 bmi2 f16c fma abm movbe"


@pytest.mark.parametrize(
    ("machine", "said", "level"),
    [
        ("x86_64", NEW, microarchitecture.X86_64_V3),
        ("x86_64", OLD, microarchitecture.GENERIC),
        ("x86_64", NEW.replace("fma", "fma4"), microarchitecture.GENERIC),
        ("x86_64", "", microarchitecture.GENERIC),
        ("aarch64", NEW, microarchitecture.GENERIC),
    ],
)
def test_level_of_a_processor(
    machine: str, said: str, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{said}\nbugs\t\t: avx2 fma\n")
    monkeypatch.setattr(microarchitecture, "CPUINFO", cpuinfo)
    monkeypatch.setattr("platform.machine", lambda: machine)

    assert microarchitecture.level() == level


def test_without_proc_nothing_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microarchitecture, "CPUINFO", tmp_path / "cpuinfo")

    assert microarchitecture.level() == microarchitecture.GENERIC
