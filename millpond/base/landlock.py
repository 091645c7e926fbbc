"""Landlock: what a process may do with files, from now on, and with it all that it starts.

Source: "Landlock: unprivileged access control" in the documentation of Linux. It holds for the thread that
asks for it: what is started from there inherits it, the rest of the process does not have it. The packages of
PyPI that wrap these three system calls are drafts, so they are called here.

Notes
-----
Names below a directory that cannot be read can still be looked up (``stat``). Processes outside can be
neither traced nor, since version 6 of the interface, signalled; ``/proc`` does not show their environment.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

# The numbers are the same on every processor.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_ASKED = 1
_PATH_BENEATH = 1
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
# What root keeps in a container that Docker starts: files and users of others, low ports. Not to administer
# the system, and not to look into processes, which Landlock's own rule would leave to root.
_KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
_LAST_CAPABILITY = 63
_SCOPED_VERSION = 6
# Signals, and sockets that have a name and no file.
_SCOPES = 3
# Before the second version files could not be moved between directories.
_FIRST_VERSION = 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_TRUNCATE_VERSION = 3
# Every right on files up to that to move them; those on devices' controls are not asked for.
_ALL = (1 << 14) - 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR


class LandlockError(OSError):
    """The kernel did not take a rule."""


@cache
def version() -> int:
    """The version of Landlock in this kernel; 0 where there is none, or one that is too old to be used."""
    abi = _library().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION_ASKED))
    return int(abi) if abi >= _FIRST_VERSION else 0


def restrict(readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Leave this thread, and what it starts, these files and directories with all below them; for good.

    Parameters
    ----------
    readable : iterable of Path
        What may be read and executed; what is not there is left out.
    writable : iterable of Path
        What may be read, executed, changed, made and removed.

    Raises
    ------
    LandlockError
        If the kernel has no Landlock, or refuses.
    """
    every = _ALL | (_TRUNCATE if version() >= _TRUNCATE_VERSION else 0)
    if version() >= _SCOPED_VERSION:
        attributes = struct.pack("=QQQ", every, 0, _SCOPES)
    else:
        attributes = struct.pack("=Q", every)
    ruleset = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
    try:
        for path in readable:
            _allow(ruleset, path, _READ)
        for path in writable:
            _allow(ruleset, path, every)
        # The kernel lets an ordinary user restrict itself only after this; sudo then has no effect within.
        _library().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _call(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def start_within[T](readable: Iterable[Path], writable: Iterable[Path], start: Callable[[], T]) -> T:
    """Start something in a thread of its own that has only these files; what ``start`` answers.

    A program that root starts so has the capabilities of root in a container.

    Raises
    ------
    LandlockError
        As :func:`restrict`.
    Exception
        Whatever ``start`` raises.
    """
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            restrict(readable, writable)
            for capability in set(range(_LAST_CAPABILITY + 1)) - _KEPT_CAPABILITIES:
                # Refused to who is not root, and has none; the kernel may not know the last ones.
                _library().prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
            answers.append(start())
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            errors.append(error)

    thread = threading.Thread(target=run, name="fenced start", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
        _call(
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_PATH_BENEATH),
            struct.pack("=Qi", rights, handle),
            ctypes.c_uint(0),
        )
    finally:
        os.close(handle)


def _call(number: int, *arguments: object) -> int:
    answer = int(_library().syscall(number, *arguments))
    if answer < 0:
        code = ctypes.get_errno()
        raise LandlockError(code, f"Landlock: {os.strerror(code or errno.ENOSYS)}")
    return answer


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    return library
