"""Errors shown to the user: each says what happened and what to do about it."""

from __future__ import annotations

from speechcli.errors import CommandError


class LocalError(CommandError):
    """Something on this machine failed."""


class MissingError(LocalError):
    """A file or program that this command needs is missing on this machine."""

    code = "missing"


class ChildError(LocalError):
    """A child process exited early or did not become ready."""

    code = "child"
