"""The pure Python wheels that Lambda functions bring, exactly those that are locked.

A wheel that is at hand is taken as it is: in a directory that pip's own ``PIP_FIND_LINKS`` names, or where
``millpond doctor`` keeps them. The others are downloaded by pip. Either way its SHA-256 must be in the lock.
Standard library only, as :mod:`millpond.package`, which uses it.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from millpond.errors import MillpondError

_LOCKED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<hashes>(?:\s*\\\s+--hash=\S+)+)", re.M)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# What an installer would write for itself; two zips of the same code would differ by it.
_OF_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


@dataclass(frozen=True)
class LockedWheel:
    """A distribution of the lock.

    Parameters
    ----------
    name, version : str
        As the lock has them.
    hashes : frozenset of str
        SHA-256 of each file that it may be.
    """

    name: str
    version: str
    hashes: frozenset[str]

    def is_named_by(self, filename: str) -> bool:
        """Whether a wheel's file name is of this distribution and version."""
        name, version = (filename.split("-") + ["", ""])[:2]
        return _normal(name) == _normal(self.name) and version == self.version


def read_lock(lock: Path) -> list[LockedWheel]:
    """What a file of ``uv pip compile --generate-hashes`` locks."""
    return [
        LockedWheel(found["name"], found["version"], frozenset(_HASH.findall(found["hashes"])))
        for found in _LOCKED.finditer(lock.read_text())
    ]


def find_wheels(
    lock: Path, directories: Iterable[Path] | None = None, pip: Sequence[str] | None = None
) -> list[bytes]:
    """Every wheel of a lock, in its order.

    Parameters
    ----------
    lock : Path
        Requirements with their hashes.
    directories : iterable of Path, optional
        Where wheels may be at hand; those of ``PIP_FIND_LINKS`` and the checkout's own unless given.
    pip : sequence of str, optional
        The command of pip for those that are not; this Python's unless given.

    Raises
    ------
    MillpondError
        If a wheel is neither at hand nor to be had.
    """
    if directories is None:
        named = [Path(word) for word in os.environ.get("PIP_FIND_LINKS", "").split()]
        directories = [lock.parent.parent / ".millpond" / "wheels", *named]
    wanted = read_lock(lock)
    found = _at_hand(wanted, directories)
    missing = [one for one in wanted if one.name not in found]
    if missing:
        with tempfile.TemporaryDirectory(prefix="millpond-wheels-") as directory:
            _download(lock, Path(directory), pip or [sys.executable, "-m", "pip"])
            found |= _at_hand(missing, [Path(directory)])
    lost = [f"{one.name} {one.version}" for one in wanted if one.name not in found]
    if lost:
        raise MillpondError(
            f"No wheel of {', '.join(lost)} has a hash of the lock.", where=str(lock), next_step="make lock"
        )
    return [found[one.name] for one in wanted]


def keep_wheels(lock: Path, directory: Path, pip: Sequence[str]) -> None:
    """Have every wheel of a lock in a directory, so that builds of this machine need no package index.

    Raises
    ------
    MillpondError
        If pip cannot get one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    wanted = read_lock(lock)
    if len(_at_hand(wanted, [directory])) < len(wanted):
        _download(lock, directory, pip)


def unpack(wheels: Iterable[bytes]) -> dict[str, bytes]:
    """The files of pure wheels, as they lie beside a function's own code."""
    files: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            for name in archive.namelist():
                if not name.endswith("/") and Path(name).name not in _OF_INSTALLERS:
                    files[name] = archive.read(name)
    return files


def _at_hand(wanted: Sequence[LockedWheel], directories: Iterable[Path]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for path in sorted(path for directory in directories for path in directory.glob("*-none-any.whl")):
        for one in wanted:
            if one.name not in found and one.is_named_by(path.name):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() in one.hashes:
                    found[one.name] = content
    return found


def _download(lock: Path, directory: Path, pip: Sequence[str]) -> None:
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--python-version", "3.13", "--platform", "any"]
    result = subprocess.run(
        [*command, "--dest", str(directory), "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise MillpondError(
            "pip could not download what the Lambda functions bring.",
            where=str(lock),
            next_step="reach a package index, or name a directory of wheels by PIP_FIND_LINKS",
            detail=(result.stderr or result.stdout).strip()[-2000:],
        )


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
