"""A network namespace in which there is only loopback: nothing that runs there can be reached or reach anything."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

_SET_FLAGS, _UP = 0x8914, 0x1 | 0x40  # SIOCSIFFLAGS; IFF_UP | IFF_RUNNING
_WAYS = (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"])


def is_alone() -> bool:
    """Whether there is no other interface here."""
    return {name for _, name in socket.if_nameindex()} == {"lo"}


def enter(module: str, arguments: Sequence[str]) -> None:
    """Start `python -m module` again in such a namespace, in the place of this process; return where that is not allowed."""
    if is_alone():
        _bring_up()
        return
    for way in _WAYS if shutil.which("unshare") else ():
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            sys.stdout.flush()
            os.execvp(way[0], [*way, sys.executable, "-m", module, *arguments])


def _bring_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP))
