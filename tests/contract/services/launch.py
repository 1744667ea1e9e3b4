"""Runs `python -m PACKAGE ARGUMENTS`, but Whisper with a scripted decoder, and on request on another machine's network.

As a script: `launch.py [--without-ipv6 | --names=FILE] PACKAGE ARGUMENTS`. The file is what the bridge has for a name
server: a JSON object of names and their addresses, read at each lookup.
"""

from __future__ import annotations

import json
import runpy
import socket
import sys
from pathlib import Path


def decode_by_script() -> None:
    from speechwhisper.recognition import loading  # noqa: PLC0415 - its libraries take a second to import
    from whisper.scripted import ScriptedDecoder  # noqa: PLC0415 - as above

    loading.load = lambda _: ScriptedDecoder()


def addresses_in(names: Path, host: str) -> frozenset[str]:
    return frozenset(json.loads(names.read_text(encoding="utf-8")).get(host, [host]))


def resolve_by_file(names: Path) -> None:
    from speechbridge.upstreams import discovery  # noqa: PLC0415 - only the bridge has pods to find

    async def resolve(host: str, port: int) -> frozenset[str]:
        del port
        return addresses_in(names, host)

    discovery.resolve = resolve  # before `upstreams.pool` imports it


def main(arguments: list[str]) -> None:
    option, _, value = arguments[0].partition("=")
    if option == "--without-ipv6":
        socket.has_dualstack_ipv6 = lambda: False
    elif option == "--names":
        resolve_by_file(Path(value))
    if option.startswith("--"):
        arguments = arguments[1:]
    package, *sys.argv[1:] = arguments
    if package == "speechwhisper":
        decode_by_script()
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
