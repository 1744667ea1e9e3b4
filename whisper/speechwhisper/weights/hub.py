"""Weights from the Hugging Face hub, or from a server with its API (`HF_ENDPOINT`): a mirror, Artifactory, Nexus.

API: https://huggingface.co/docs/hub/api; file downloads with their headers: `file_download.py` of huggingface_hub.
"""

from __future__ import annotations

import json
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from speechwhisper.weights.errors import DeniedError, FetchError, UnknownModelError, UnreachableError
from speechwhisper.weights.listing import Listing, RemoteFile, chosen
from speechwhisper.weights.names import HUB_NAMES
from speechwhisper.weights.transfer import reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechwhisper.weights.transfer import Web

_DEFAULT_ENDPOINT = "https://huggingface.co"
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_TRUE = frozenset({"1", "ON", "YES", "TRUE"})


@dataclass(frozen=True, slots=True)
class Hub:
    """A model on a hub.

    Attributes:
        web: Makes the requests.
        repository: The name of the repository, such as `Systran/faster-whisper-small`.
        revision: A branch, a tag or a commit.
        endpoint: The URL of the hub.
        token: The access token, empty for none.
        offline: Whether HF_HUB_OFFLINE forbids requests.
    """

    web: Web
    repository: str
    revision: str
    endpoint: str
    token: str
    offline: bool

    @classmethod
    def from_environment(cls, web: Web, model: str, revision: str, environment: Mapping[str, str]) -> Hub:
        """Return the source of a model as the variables of huggingface_hub describe the hub.

        Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
        """
        repository = HUB_NAMES.get(model, model)
        endpoint = environment.get("HF_ENDPOINT") or _DEFAULT_ENDPOINT
        offline = environment.get("HF_HUB_OFFLINE", "").upper() in _TRUE
        return cls(web, repository, revision, endpoint.rstrip("/"), _token(environment), offline)

    @property
    def origin(self) -> str:
        """The repository and the hub."""
        return f"{self.repository} at {self.endpoint}"

    def list(self) -> Listing:
        """Return the files with sizes and checksums, at the commit to which the revision refers now.

        Raises:
            FetchError: The hub does not have it, refuses it or does not answer.
        """
        if "/" not in self.repository:
            raise UnknownModelError(
                f"unknown model {self.repository}: choose a size ({', '.join(HUB_NAMES)}) or the name of a repository, "
                "such as Systran/faster-whisper-small"
            )
        if self.offline:
            raise UnreachableError(f"{self.origin}: HF_HUB_OFFLINE is set, and the weights are not on this volume")
        url = f"{self.endpoint}/api/models/{self.repository}/revision/{quote(self.revision, safe='')}?blobs=true"
        try:
            with self.web.patiently(url, self._headers) as response:
                answer = json.load(response)
            commit = str(answer["sha"])
            files = {file.name: file for file in map(_file, answer["siblings"])}
        except urllib.error.HTTPError as error:
            raise self._error(error) from error
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise UnreachableError(f"{self.endpoint} does not answer like a hub: check HF_ENDPOINT") from error
        return Listing(commit, tuple(files[name] for name in chosen(files, self.origin)))

    def download(self, file: RemoteFile, revision: str, part: Path) -> None:
        """Complete a partial file.

        Raises:
            FetchError: The hub refuses it or fails.
        """
        url = f"{self.endpoint}/{self.repository}/resolve/{revision}/{quote(file.name)}"
        try:
            self.web.download(file, url, self._headers, part)
        except urllib.error.HTTPError as error:
            raise self._error(error) from error

    @property
    def _headers(self) -> dict[str, str]:
        return {
            "User-Agent": "speechwhisper",
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
        }

    def _error(self, error: urllib.error.HTTPError) -> FetchError:
        """Return an error response in words; see `hf_raise_for_status` in `utils/_http.py` of huggingface_hub.

        Without a valid token the hub answers 401 for repositories that are private, gated or do not exist.
        """
        code = error.headers.get("X-Error-Code", "")
        said = error.headers.get("X-Error-Message", "")
        if code == "GatedRepo":
            who = "the account of HF_TOKEN" if self.token else "an account, and set HF_TOKEN to a token of it"
            return DeniedError(
                f"{self.origin} is gated: accept its conditions at {self.endpoint}/{self.repository} with {who}"
            )
        if code == "RevisionNotFound":
            return UnknownModelError(f"{self.origin} has no revision {self.revision}")
        if error.code == _NOT_FOUND or code == "RepoNotFound" or (error.code == _UNAUTHORIZED and not self.token):
            private = "" if self.token else ". If it is private, set HF_TOKEN to a token that may read it"
            return UnknownModelError(f"{self.origin} does not exist{private}")
        if error.code in {_UNAUTHORIZED, _FORBIDDEN}:
            detail = f": {said}" if said else ""
            return DeniedError(f"{self.origin} refuses HF_TOKEN (HTTP {error.code}){detail}")
        return UnreachableError(f"{self.endpoint} {reason(error)}")


def _file(sibling: Any) -> RemoteFile:
    lfs = sibling.get("lfs") or {}
    size = sibling.get("size")
    return RemoteFile(
        str(sibling["rfilename"]),
        size if isinstance(size, int) else None,
        str(lfs.get("sha256") or ""),
        "" if lfs else str(sibling.get("blobId") or ""),
    )


def _token(environment: Mapping[str, str]) -> str:
    """Return the token in HF_TOKEN or in the file HF_TOKEN_PATH, which is how a Secret is mounted."""
    token = environment.get("HF_TOKEN", "")
    if not token and (path := environment.get("HF_TOKEN_PATH")):
        try:
            token = Path(path).read_text()
        except OSError as error:
            raise DeniedError(f"HF_TOKEN_PATH={path} cannot be read: {error.strerror}") from error
    return token.strip()
