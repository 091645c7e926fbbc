"""Connections that another user's process could have made."""

from __future__ import annotations

import ctypes
import socket

NOBODY = 65534


def connected_as(user: int, address: tuple[str, int]) -> socket.socket:
    """A connection whose socket is a user's; root alone may make one.

    Parameters
    ----------
    user : int
        Id of the user.
    address : tuple
        Address and port to connect to.
    """
    # A socket belongs to the user for whom its thread reaches files when it makes it.
    library = ctypes.CDLL(None)
    before = library.setfsuid(user)
    try:
        made = socket.socket()
    finally:
        library.setfsuid(before)
    made.connect(address)
    return made
