"""How this project's own Whisper server tells what went wrong."""

import json

from fakes.sending import Reply, event, wire


def error_reply(
    status: int, message: str, code: str, kind: str = "invalid_request_error", *, param: str | None = None
) -> Reply:
    """An error in OpenAI's shape."""
    return Reply(wire({"error": {"message": message, "type": kind, "param": param, "code": code}}), status)


def error_event(reply: Reply) -> bytes:
    """The event that says what an answer to the same failure would."""
    assert isinstance(reply.body, bytes)
    error = json.loads(reply.body)["error"]
    told = {name: error[name] for name in ("message", "code", "param") if error[name] is not None}
    return event({"type": "error", "error": told})
