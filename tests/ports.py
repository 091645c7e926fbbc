"""Ports for servers that tests start."""

from __future__ import annotations

import itertools
import os
import socket

# Below the range from which the kernel takes ports by itself, and for each process of the tests from a
# place of its own: what one test has chosen, nobody else takes before its server listens there.
_FIRST, _LAST = 10_000, 32_000
_offsets = itertools.count(os.getpid() * 97)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that is not given out again."""
    for offset in _offsets:
        port = _FIRST + offset % (_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("the offsets never end")
