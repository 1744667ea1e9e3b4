"""Send a recording to the bridge, once for a JSON answer and once for a streamed one. Standard library only.

SPEECH_URL=http://127.0.0.1:8080 python3 examples/clients/process.py RECORDING [PROMPT]
"""

import json
import os
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

URL = os.environ.get("SPEECH_URL", "http://127.0.0.1:8080").rstrip("/")


def post(audio: Path, fields: dict[str, str]) -> HTTPResponse:
    """Send a multipart form to /process; the caller reads the body of the response as it arrives."""
    boundary = uuid.uuid4().hex
    form = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    form += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="audio"\r\n\r\n'.encode()
    form += audio.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{URL}/process", form, headers)  # noqa: S310 - the URL is yours
    response: HTTPResponse = urllib.request.urlopen(request, timeout=300)  # noqa: S310 - as above
    return response


def events(response: HTTPResponse) -> Iterator[tuple[str, dict]]:
    """Yield the name and data of each server-sent event as it arrives."""
    name = ""
    for line in response:
        key, _, value = line.decode().rstrip("\r\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def main() -> None:
    if not sys.argv[1:]:
        sys.exit(__doc__)
    audio = Path(sys.argv[1])
    prompt = " ".join(sys.argv[2:]) or "Summarise this in one sentence:"

    with post(audio, {"prompt": prompt}) as response:
        result = json.load(response)
    print("transcription:", result["transcription"])
    print("response:     ", result["response"])

    with post(audio, {"prompt": prompt, "stream": "true"}) as response:
        for name, data in events(response):
            if name in ("transcript.delta", "response.delta"):
                print(data["text"], end="", flush=True)
            elif name == "transcript.done":
                print("\n->", end=" ")
            elif name == "response.done":
                print(f"\ndone in {data['process_time_ms']} ms")
            elif name == "error":
                sys.exit(f"\n{data['code']}: {data['message']}")


if __name__ == "__main__":
    try:
        main()
    except urllib.error.HTTPError as error:  # the body has the reason: {"title", "detail", "code", ...}
        sys.exit(f"HTTP {error.code}: {error.read().decode()}")
