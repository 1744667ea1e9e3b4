"""`helm test`: send a recording through the bridge and compare the transcript with the spoken words.

python3 ask.py URL [FOLDER]; standard library only, so it runs in any image with Python. URL is a bridge, or /readyz of
an operator. FOLDER has `recording.ogg`. If API_KEYS_DIR is set, its first key is sent.
"""

import difflib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

SPOKEN = "unless to be rather cold hearted and rather selfish is to be ill disposed"
ALIKE = 0.6  # minimum similarity, over words: a small model mishears some, a broken pipeline all
DEADLINE_S = float(os.environ.get("TIMEOUT", "300"))
PAUSE_S = 2.0
WORTH_A_RETRY = {429, 500, 502, 503, 504}


def main(url: str, folder: str = "") -> int:
    """Try until a request succeeds or the deadline has passed; return the exit code."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return ask(url, Path(folder)) if folder else reach(url)
        except urllib.error.HTTPError as refused:
            said = f"HTTP {refused.code}: {refused.read().decode('utf-8', 'replace')[:500]}"
            if refused.code not in WORTH_A_RETRY:
                print(said)
                return 1
        except OSError as error:
            said = str(error)
        print(f"{url}: {said}", flush=True)
        if time.monotonic() + PAUSE_S > deadline:
            print(f"no successful response within {DEADLINE_S:.0f} s")
            return 1
        time.sleep(PAUSE_S)


def reach(url: str) -> int:
    """Check that `url` responds with 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        print(f"{url}: HTTP {answer.status}")
    return 0


def ask(url: str, folder: Path) -> int:
    """Send the recording; return 0 if the transcript matches the spoken words and the model answered."""
    boundary = uuid.uuid4().hex
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nSummarise this in one sentence:\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="recording.ogg"\r\n'
        "Content-Type: audio/ogg\r\n\r\n"
    ).encode()
    form += (folder / "recording.ogg").read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", **authorization()}
    request = urllib.request.Request(f"{url.rstrip('/')}/process", form, headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
        said = json.load(answer)
    print(json.dumps(said, indent=2, ensure_ascii=False))
    heard = words(said["transcription"])
    alike = difflib.SequenceMatcher(None, words(SPOKEN), heard, autojunk=False).ratio()
    print(f"transcript: {alike:.0%} similar to the spoken words (required: {ALIKE:.0%})")
    if "error" in said:
        print(f"generation failed: {said['error']}")
    return 0 if alike >= ALIKE and said["response"].strip() and "error" not in said else 1


def words(text: str) -> list[str]:
    """Return a text's words, without case and punctuation."""
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()


def authorization() -> dict[str, str]:
    """Return the header with the first mounted API key, empty if none is."""
    folder = os.environ.get("API_KEYS_DIR")
    for file in sorted(Path(folder).iterdir()) if folder else ():
        if file.is_file() and (key := file.read_text(encoding="utf-8").strip()):
            return {"Authorization": f"Bearer {key}"}
    return {}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
