"""The x86-64 microarchitecture level of this machine's processor, which programs built here are compiled for."""

from __future__ import annotations

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
GENERIC, X86_64_V3 = "", "x86-64-v3"
# Linux' names of what the level adds to v2: https://gitlab.com/x86-psABIs/x86-64-ABI (abm is LZCNT)
V3_FLAGS = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})


def level() -> str:
    """Return the level as compilers name it for -march: X86_64_V3, or GENERIC for a lower or unknown one."""
    if platform.machine() != "x86_64" or not CPUINFO.is_file():
        return GENERIC
    found = re.search(r"^flags\s*:(.*)$", CPUINFO.read_text(), re.MULTILINE)
    return X86_64_V3 if found and set(found[1].split()) >= V3_FLAGS else GENERIC
