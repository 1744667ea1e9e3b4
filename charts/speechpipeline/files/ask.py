"""What `helm test` runs: a recording through the bridge, its transcript held against the words that were spoken.

python3 ask.py URL [FOLDER]; only the standard library, for it runs in whatever image has Python. URL is a bridge, or an
operator's /readyz. FOLDER has `recording.ogg`; a key in API_KEYS_DIR is sent where there is one.
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
ALIKE = 0.6  # the least similarity, over words: a small model mishears some, a broken pipeline all
DEADLINE_S = float(os.environ.get("TIMEOUT", "300"))
PAUSE_S = 2.0
WORTH_A_RETRY = {429, 500, 502, 503, 504}


def main(url: str, folder: str = "") -> int:
    """Ask until there is an answer or the time is over; return the exit code."""
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
            print(f"no answer within {DEADLINE_S:.0f} s")
            return 1
        time.sleep(PAUSE_S)


def reach(url: str) -> int:
    """See that something answers at `url` with 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        print(f"{url}: HTTP {answer.status}")
    return 0


def ask(url: str, folder: Path) -> int:
    """Send the recording; return 0 when the transcript is what was spoken and a model answered."""
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
    print(f"the transcript is {alike:.0%} of what was spoken (at least {ALIKE:.0%} wanted)")
    if "error" in said:
        print(f"the model did not answer: {said['error']}")
    return 0 if alike >= ALIKE and said["response"].strip() and "error" not in said else 1


def words(text: str) -> list[str]:
    """Return a text's words, without case and punctuation."""
    return "".join(letter if letter.isalnum() else " " for letter in text.lower()).split()


def authorization() -> dict[str, str]:
    """Return the header with the first API key that is mounted, if any is."""
    folder = os.environ.get("API_KEYS_DIR")
    for file in sorted(Path(folder).iterdir()) if folder else ():
        if file.is_file() and (key := file.read_text(encoding="utf-8").strip()):
            return {"Authorization": f"Bearer {key}"}
    return {}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
