"""Who is at the other end of a connection from this machine: the user whose process holds that socket.

Source: ``sock_diag(7)`` of Linux, which answers for one connection at once, however many there are. It needs
no privileges. Elsewhere, and where the kernel does not have it, nobody can be told from anybody.
"""

from __future__ import annotations

import os
import socket
import struct
from functools import cache

_SOCK_DIAG = 4
_BY_FAMILY, _REQUEST, _ERROR = 20, 1, 2
_ALL_STATES = 0xFFFFFFFF
_ANY_COOKIE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")
# Of an answer: behind the header, four small fields, the connection (48 bytes) and three numbers.
_USER_AND_NODE = struct.Struct("=II")
_USER_AT = _HEADER.size + 4 + 48 + 12
_LONGEST = 4096

Address = tuple[str, int]


def owner(peer: Address, own: Address) -> int | None:
    """The user id of who holds the other end of a connection over IPv4 within this machine.

    Parameters
    ----------
    peer, own : tuple
        Address and port of the other end, and of this one.

    Returns
    -------
    int or None
        None if nobody does (any more).

    Raises
    ------
    OSError
        If the kernel does not answer.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.send(_question(peer, own))
        answer = kernel.recv(_LONGEST)
    if struct.unpack_from("=H", answer, 4)[0] == _ERROR:
        return None
    user, node = _USER_AND_NODE.unpack_from(answer, _USER_AT)
    # A socket that its process has closed is nobody's, and reported as root's.
    return int(user) if node else None


@cache
def is_told() -> bool:
    """Whether this system says who holds a socket; asked of a connection to oneself."""
    if not hasattr(socket, "AF_NETLINK"):
        return False
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            own = server.getsockname()
            with socket.create_connection(own) as client:
                return owner(client.getsockname(), own) == os.geteuid()
    except (OSError, struct.error):
        return False


def _question(peer: Address, own: Address) -> bytes:
    ends = struct.pack(
        "!HH16s16s", peer[1], own[1], socket.inet_aton(peer[0]), socket.inet_aton(own[0])
    ) + struct.pack("=III", 0, _ANY_COOKIE, _ANY_COOKIE)
    body = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES) + ends
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body
