"""Who did what to the API server, from its own audit log: for "nothing is written" and "every verb is used"."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    userGroups: ["system:masters"]
  - level: Metadata
"""
"""A watch counts when its answer starts, since it may not end while we look; all else when it is complete."""


@dataclass(frozen=True)
class Call:
    """One request. `name` is empty for lists, creates and watches; `group` is empty for the core API."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    at: str

    @property
    def writes(self) -> bool:
        return self.verb in WRITES

    @property
    def right(self) -> tuple[str, str, str]:
        """What RBAC grants it by: (group, resource or resource/subresource, verb)."""
        return (self.group, f"{self.resource}/{self.subresource}" if self.subresource else self.resource, self.verb)


class AuditLog:
    """Reads the log. The server writes a line before it answers, so whoever has the answer finds the line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """A place in the log: what comes after it is news. Give it to `since`."""
        return self.path.stat().st_size if self.path.exists() else 0

    def calls(self, user: str | None = None, *, since: int = 0) -> list[Call]:
        """Requests on resources, oldest first, of one user or of all."""
        return [call for call in self._read(since) if user is None or call.user == user]

    def writes(self, user: str, *, since: int = 0) -> list[Call]:
        return [call for call in self.calls(user, since=since) if call.writes]

    def rights_used(self, user: str) -> set[tuple[str, str, str]]:
        """Every (group, resource[/subresource], verb) that was granted to `user` and used.

        Server-side apply of what is not there yet is a patch that RBAC asks `create` for as well.
        """
        granted = [call for call in self.calls(user) if call.code != HTTPStatus.FORBIDDEN]
        made = {(*call.right[:2], "create") for call in granted if call.code == HTTPStatus.CREATED}
        return {call.right for call in granted} | made

    def _read(self, since: int) -> Iterator[Call]:
        if not self.path.exists():
            return
        with self.path.open("rb") as log:
            log.seek(since)
            for line in log:
                if line.endswith(b"\n") and (call := _call(json.loads(line))):
                    yield call


def _call(entry: dict[str, object]) -> Call | None:
    """None for what is no resource (/healthz), and for the end of a watch, whose start is there already."""
    about = entry.get("objectRef")
    if not isinstance(about, dict) or (entry["verb"] == "watch" and entry["stage"] == "ResponseComplete"):
        return None
    if entry["verb"] != "watch" and entry["stage"] == "ResponseStarted":
        return None
    user, status = entry["user"], entry.get("responseStatus")
    return Call(
        user=user["username"] if isinstance(user, dict) else "",
        verb=str(entry["verb"]),
        group=about.get("apiGroup", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        code=int(status.get("code", 0)) if isinstance(status, dict) else 0,
        at=str(entry["stageTimestamp"]),
    )
