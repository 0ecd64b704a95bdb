"""Runs at the start of every kernel under test, and of its children: no connection leaves here.

An attempt raises, and is written down as well, so that code which expects to be offline and catches
the error is found out all the same.
"""

import os
import socket
from pathlib import Path

_LOCAL = ("127.", "::1", "localhost")
_connect, _connect_ex, _getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def _refuse(where):
    log = os.environ.get("COURSE_OFFLINE_LOG")
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{where}\n")
    raise OSError(f"offline: this code tried to reach {where}")


def _is_local(address):
    # a path is a socket of this machine; None is "any of mine"
    if not isinstance(address, tuple):
        return True
    return address[0] in ("", None) or str(address[0]).startswith(_LOCAL)


def connect(self, address):
    return _connect(self, address) if _is_local(address) else _refuse(address)


def connect_ex(self, address):
    return _connect_ex(self, address) if _is_local(address) else _refuse(address)


def getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return _getaddrinfo(host, *args, **kwargs) if _is_local((name,)) else _refuse(name)


socket.socket.connect = connect
socket.socket.connect_ex = connect_ex
socket.getaddrinfo = getaddrinfo
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
)
