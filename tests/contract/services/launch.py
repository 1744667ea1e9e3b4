"""Runs `python -m PACKAGE ARGUMENTS`, but Whisper with a scripted decoder, and on request as on a machine without IPv6.

As a script: `launch.py [--without-ipv6] PACKAGE ARGUMENTS`.
"""

from __future__ import annotations

import runpy
import socket
import sys


def decode_by_script() -> None:
    from speechwhisper.recognition import loading  # noqa: PLC0415 - its libraries take a second to import
    from whisper.scripted import ScriptedDecoder  # noqa: PLC0415 - as above

    loading.load = lambda _: ScriptedDecoder()


def main(arguments: list[str]) -> None:
    if arguments[0] == "--without-ipv6":
        socket.has_dualstack_ipv6 = lambda: False
        arguments = arguments[1:]
    package, *sys.argv[1:] = arguments
    if package == "speechwhisper":
        decode_by_script()
    runpy.run_module(package, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
