"""Conflicts with other writers: who keeps undoing what the operator writes, and when it is written again.

A conflict shows in the response of a write (an admission webhook), or when the same manifest has to be applied again
soon after it was applied (another controller). A single change by a person is reverted at once; then the delays double.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.plan.snapshot import WRITE_CONFLICT, WriteFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Key, Ref

MAX_BACKOFF_S = 300.0
_WINDOW_S = 60.0
"""Seconds after a write, or after the delay that followed it, within which a change of the same object undoes it."""
_TOLERATED = 1
"""Undone writes that are not reported: a person who corrects a field by hand."""


@dataclass(frozen=True, slots=True)
class Write:
    """The last write of an object.

    Attributes:
        manifest: The hash of the manifest.
        at: When it was written, as a timestamp in seconds.
        undone: How many writes of this manifest in a row were undone.
        until: The time before which it is not written again, as a timestamp in seconds.
        reason: What differed from the manifest.
        writer: The field manager that undid the write before; "" if unknown.
    """

    manifest: str
    at: float
    undone: int
    until: float
    reason: str
    writer: str = ""

    @property
    def contested(self) -> bool:
        """Whether somebody keeps undoing it."""
        return self.undone > _TOLERATED

    def failure(self, ref: Ref) -> WriteFailure:
        """Return the conflict in the form of a failed write."""
        who = self.writer or "another writer (an admission webhook, or a second installation of the operator?)"
        return WriteFailure(ref, "patch", HTTPStatus.OK, f"{who} reverts it: {self.reason}", WRITE_CONFLICT)


class Conflicts:
    """The last writes of all pipelines. Not thread-safe."""

    def __init__(self) -> None:
        self._writes: defaultdict[Key, dict[Ref, Write]] = defaultdict(dict)

    def recent(self, key: Key, ref: Ref, manifest: str, now: float) -> Write | None:
        """Return the last write of an object if it was of the same manifest and so recent that it has been undone.

        A write in the future was made before the clock was set back. Nothing is known of how long ago.
        """
        write = self._of(key).get(ref)
        return write if write and _is_recent(write, now) and write.manifest == manifest else None

    def latest(self, key: Key, ref: Ref, now: float) -> Write | None:
        """Return the last write of an object, whatever its manifest, if it was so recent that a change undoes it.

        A write in the future does not count, as with `recent`.
        """
        write = self._of(key).get(ref)
        return write if write and _is_recent(write, now) else None

    def wrote(
        self,
        key: Key,
        ref: Ref,
        manifest: str,
        now: float,
        *,
        before: Write | None,
        reason: str,
        writer: str,
        kept: bool,
    ) -> Write:
        """Note a write.

        Args:
            key: The pipeline.
            ref: The object.
            manifest: The hash of its manifest.
            now: The time.
            before: The write that has been undone, from `recent`.
            reason: What differed, before the write or still after it.
            writer: The field manager that undid the write before.
            kept: Whether the response agrees with the manifest.
        """
        undone = (before.undone + 1 if before else 0) + (0 if kept or before else _TOLERATED + 1)
        delay = min(MAX_BACKOFF_S, 2.0 ** (undone - 1)) if undone else 0.0
        write = Write(manifest, now, undone, now + delay, reason, writer)
        self._writes[key][ref] = write
        return write

    def expire(self, key: Key, now: float) -> None:
        """Forget the writes of a pipeline that are no longer recent."""
        writes = self._writes.pop(key, {}).items()
        if recent := {ref: write for ref, write in writes if _is_recent(write, now)}:
            self._writes[key] = recent

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._writes.pop(key, None)

    def _of(self, key: Key) -> Mapping[Ref, Write]:
        return self._writes.get(key, {})


def _is_recent(write: Write, now: float) -> bool:
    """Return whether a change of the object would undo the write."""
    return write.at <= now < write.until + _WINDOW_S
