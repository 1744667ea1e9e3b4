"""Check the changelog fragments; `make lint` runs this from the repository's root.

    .venv/bin/python .ci/changelog.py

- Every fragment has a valid name, and together they render (`towncrier build --draft`).
- A branch that changes shipped files adds a fragment (`towncrier check`). It is compared with its merge base with
  `origin/main`, or with `main` if there is no remote. Without either (a shallow clone, a source archive) there is
  nothing to compare with, and only the first check applies, as on `main` itself.
"""

from __future__ import annotations

import subprocess
import sys

MAIN = ("origin/main", "main")
SHIPPED = ("bridge", "whisper", "operator", "cli", "charts", "local", "examples", "docker-compose*.yml", ":!*.md")
"""Git pathspecs: what users get. Documentation, tests and benchmarks need no fragment."""

TOWNCRIER = (sys.executable, "-m", "towncrier")


def main() -> int:
    """Print what is wrong and return 1, or return 0."""
    drafted = run(*TOWNCRIER, "build", "--draft", "--version", "draft")
    if drafted.returncode:
        return refused(drafted.stderr, "the fragments cannot be rendered")
    base = merge_base()
    if base is None:
        print("Changelog: fragments are valid; no main branch to compare with.")
        return 0
    shipped = run("git", "diff", "--name-only", f"{base}...", "--", *SHIPPED).stdout.splitlines()
    if shipped:
        checked = run(*TOWNCRIER, "check", "--staged", "--compare-with", base)
        if checked.returncode:
            return refused(checked.stderr, f"no fragment on this branch, which changes {shipped[0]}")
    print("Changelog: fragments are valid.")
    return 0


def merge_base() -> str | None:
    """Return the commit at which this branch left main, None where that is not known."""
    for name in MAIN:
        found = run("git", "merge-base", name, "HEAD")
        if found.returncode == 0:
            return found.stdout.strip()
    return None


def refused(said: str, what: str) -> int:
    """Print what towncrier said, and what to do."""
    print(f"{said}Changelog: {what}.", file=sys.stderr)
    print("What to do: changelog.d/README.md says how to write one; then `git add` it.", file=sys.stderr)
    return 1


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program and capture what it prints; a failure is for the caller to judge."""
    return subprocess.run(command, check=False, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
