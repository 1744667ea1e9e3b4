"""What a pod has to do: what it reported last, and what this bridge has sent to it and got back since."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbridge.upstreams.load import Load

UNKNOWN_AUDIO_S = 10.0
"""What a recording of unknown duration counts as."""
_IN_FLIGHT_S = 0.05  # a request sent this shortly before a report arrived may not be in it


class Account:
    """The work of one pod.

    Attributes:
        report: What it reported last, None if it reports nothing.
        outstanding: Requests of this bridge that it has, those in its queue included.
    """

    def __init__(self) -> None:
        self.report: Load | None = None
        self.outstanding = 0
        self._reported_at = 0.0
        self._since: dict[object, tuple[float, float]] = {}  # request -> when it was sent, seconds of audio
        self._seconds = 0.0  # of audio, since the report: what was sent less what was withdrawn
        self._left = 0  # requests of this bridge that are in the report, but not at the pod any more

    def adopt(self, report: Load | None, now: float) -> None:
        """Replace the report; only requests that were sent a moment ago are still counted in addition."""
        self.report = report
        self._reported_at = now
        if report is not None:
            for request, (sent_at, _) in tuple(self._since.items()):
                if sent_at > now - _IN_FLIGHT_S:
                    break
                del self._since[request]
        self._seconds = sum(seconds for _, seconds in self._since.values())
        self._left = 0

    def begin(self, request: object, audio_seconds: float, now: float) -> None:
        """Count a request that is sent to the pod."""
        self.outstanding += 1
        self._since[request] = (now, audio_seconds)
        self._seconds += audio_seconds

    def end(self, request: object) -> None:
        """Count a request that the pod has finished: nothing of it is left, whatever was left when it reported."""
        self.outstanding -= 1
        if (sent := self._since.pop(request, None)) is None:
            self._left += 1  # it was sent before the report
        else:
            self._seconds -= sent[1]

    def withdraw(self, request: object, audio_seconds: float) -> None:
        """Count a request that was taken out of the pod's queue."""
        if request not in self._since:
            self._seconds -= audio_seconds
        self.end(request)

    @property
    def busy(self) -> int:
        """How many requests of all bridges it has, as far as known."""
        reported = self.report.waiting + self.report.working if self.report else 0
        return max(self.outstanding, reported + len(self._since) - self._left)

    def seconds_ahead(self, now: float, speed: float) -> float:
        """Estimate the time until it has done what it has, as if it had one slot.

        Args:
            now: The loop's time.
            speed: Seconds of audio per second, if it has not reported its speed.
        """
        if not self.busy:
            return 0.0
        if self.report is None:
            return max(0.0, self._seconds / speed)
        reported = self.report.audio_seconds_waiting + self.report.audio_seconds_working
        ahead = (reported + self._seconds) / (self.report.audio_seconds_per_second or speed)
        return max(0.0, ahead - (now - self._reported_at))
