"""The keys of a control plane that lives as long as a test session, made with openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cluster.processes import StartError

DAYS = "2"
EXTENSIONS = """
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
"""


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority, a server's certificate for 127.0.0.1 with its key, the key that signs tokens."""

    authority: Path
    server: Path
    server_key: Path
    tokens_key: Path


def create(folder: Path) -> Certificates:
    """Make them in `folder`.

    Raises:
        StartError: openssl is not there or refuses.
    """
    made = Certificates(folder / "ca.crt", folder / "server.crt", folder / "server.key", folder / "tokens.key")
    authority_key, request, extensions = folder / "ca.key", folder / "server.csr", folder / "server.ext"
    extensions.write_text(EXTENSIONS)
    for key in (authority_key, made.server_key, made.tokens_key):
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    _openssl(
        *("req", "-x509", "-new", "-key", authority_key, "-days", DAYS, "-subj", "/CN=test-authority"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", made.authority),
    )
    _openssl("req", "-new", "-key", made.server_key, "-subj", "/CN=kube-apiserver", "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", made.authority, "-CAkey", authority_key, "-CAcreateserial"),
        *("-days", DAYS, "-extfile", extensions, "-out", made.server),
    )
    return made


def _openssl(*arguments: str | Path) -> None:
    try:
        done = subprocess.run(["openssl", *arguments], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        raise StartError("openssl is not on PATH: apt-get install openssl") from None
    if done.returncode:
        raise StartError(f"openssl {arguments[0]}: {done.stderr.strip()}")
