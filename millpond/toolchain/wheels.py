"""The wheels that functions and jobs bring, exactly those that are locked.

A wheel that is at hand is taken as it is: in a directory that pip's own ``PIP_FIND_LINKS`` names, or where
``millpond doctor`` keeps them. The others are downloaded by pip. Either way its SHA-256 must be in the lock.
Standard library only, as :mod:`lake.package`, which uses it.
"""

from __future__ import annotations

import base64
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

from millpond.base.errors import MillpondError

_LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?:[ ]*;[ ]*(?P<marker>[^\\\n]+?))?"
    r"(?P<hashes>(?:\s*\\\s+--hash=\S+)+)",
    re.M,
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_COMPARISON = re.compile(r"(?P<name>\w+) (?P<operator><|<=|==|!=|>=|>) '(?P<value>[^']*)'")
_ENVIRONMENT = {"implementation_name": "cpython", "sys_platform": "linux", "platform_machine": "x86_64"}
# What an installer would write for itself; two zips of the same code would differ by it.
_OF_INSTALLERS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


@dataclass(frozen=True)
class Target:
    """What wheels are for: CPython on Linux and x86-64.

    Parameters
    ----------
    python : str
        Its version, for example ``3.9``.
    glibc : int, optional
        The minor version of the glibc 2 below it. Without, only pure wheels fit.
    """

    python: str
    glibc: int | None = None

    @property
    def _digits(self) -> str:
        return self.python.replace(".", "")

    @property
    def abis(self) -> tuple[str, ...]:
        return ("none",) if self.glibc is None else (f"cp{self._digits}", "abi3", "none")

    @property
    def platforms(self) -> tuple[str, ...]:
        """Tags of the platforms whose wheels it runs; glibc is compatible backwards."""
        if self.glibc is None:
            return ("any",)
        by_glibc = (f"manylinux_2_{minor}_x86_64" for minor in range(self.glibc, 4, -1))
        # The names that glibc 2.17, 2.12 and 2.5 had before.
        older = (f"manylinux{name}_x86_64" for name in ("2014", "2010", "1"))
        return (*by_glibc, *older, "any")

    def fits(self, filename: str) -> bool:
        """Whether it runs a wheel of that file name."""
        pythons, abis, platforms = (tags.split(".") for tags in Path(filename).stem.split("-")[-3:])
        own = {"py3", f"cp{self._digits}"} | ({f"cp3{n}" for n in range(2, 10)} if "abi3" in abis else set())
        return not (
            own.isdisjoint(pythons)
            or set(self.abis).isdisjoint(abis)
            or set(self.platforms).isdisjoint(platforms)
        )


LAMBDA = Target("3.13")
# Python shell jobs are reported to run on Amazon Linux 2.
GLUE_SHELL = Target("3.9", glibc=26)

LOCKS = {"lambda-vendored": LAMBDA, "glue-shell": GLUE_SHELL}
"""Locks of ``requirements/`` whose wheels a deployment brings, and what runs them."""


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


def read_lock(lock: Path, target: Target) -> list[LockedWheel]:
    """What a file of ``uv pip compile --generate-hashes`` locks for a target.

    Raises
    ------
    MillpondError
        If it has a marker that cannot be told.
    """
    return [
        LockedWheel(found["name"], found["version"], frozenset(_HASH.findall(found["hashes"])))
        for found in _LOCKED.finditer(lock.read_text())
        if found["marker"] is None or _holds(found["marker"], target, lock)
    ]


def find_wheels(
    lock: Path,
    target: Target,
    directories: Iterable[Path] | None = None,
    pip: Sequence[str] | None = None,
) -> dict[str, bytes]:
    """Every wheel of a lock by its file name, in the lock's order.

    Parameters
    ----------
    lock : Path
        Requirements with their hashes.
    target : Target
        What they are for.
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
    wanted = read_lock(lock, target)
    found = _at_hand(wanted, target, directories)
    missing = [one for one in wanted if one.name not in found]
    if missing:
        with tempfile.TemporaryDirectory(prefix="millpond-wheels-") as directory:
            _download(missing, target, Path(directory), pip or [sys.executable, "-m", "pip"], lock)
            found |= _at_hand(missing, target, [Path(directory)])
    lost = [f"{one.name} {one.version}" for one in wanted if one.name not in found]
    if lost:
        raise MillpondError(
            f"No wheel of {', '.join(lost)} has a hash of the lock.", where=str(lock), next_step="make lock"
        )
    return dict(found[one.name] for one in wanted)


def keep_wheels(lock: Path, target: Target, directory: Path, pip: Sequence[str]) -> int:
    """Have every wheel of a lock in a directory, so that builds of this machine need no package index.

    Returns
    -------
    int
        How many they are.

    Raises
    ------
    MillpondError
        If pip cannot get one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    wanted = read_lock(lock, target)
    found = _at_hand(wanted, target, [directory])
    missing = [one for one in wanted if one.name not in found]
    if missing:
        _download(missing, target, directory, pip, lock)
    return len(wanted)


def unpack(wheels: Iterable[bytes]) -> dict[str, bytes]:
    """The files of pure wheels, as they lie beside a function's own code."""
    files: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            for name in archive.namelist():
                if not name.endswith("/") and Path(name).name not in _OF_INSTALLERS:
                    files[name] = archive.read(name)
    return files


def without_requirements(wheel: bytes) -> bytes:
    """A wheel that asks for no other.

    Glue installs the wheels of a Python shell job one by one, each with what it asks for from a package
    index, also where the next wheel of the job would be just that.
    """
    # Appended to, not written anew: compressing it all again would take longer than the whole build.
    buffer = io.BytesIO(wheel)
    with zipfile.ZipFile(buffer, "a") as archive:
        metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        record = metadata.replace("METADATA", "RECORD")
        lines = archive.read(metadata).splitlines(keepends=True)
        kept = b"".join(line for line in lines if not line.startswith(b"Requires-Dist:"))
        entries = archive.read(record).decode().splitlines()
        others = [entry for entry in entries if not entry.startswith(f"{metadata},")]
        for name in (metadata, record):
            archive.filelist.remove(archive.NameToInfo.pop(name))
        archive.writestr(zipfile.ZipInfo(metadata), kept)
        archive.writestr(zipfile.ZipInfo(record), "\n".join([*others, record_line(metadata, kept), ""]))
    return buffer.getvalue()


def record_line(name: str, content: bytes) -> str:
    """The line about a file in a wheel's ``RECORD``."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"


def _at_hand(
    wanted: Sequence[LockedWheel], target: Target, directories: Iterable[Path]
) -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {}
    for path in sorted(path for directory in directories for path in directory.glob("*.whl")):
        for one in wanted:
            if one.name not in found and one.is_named_by(path.name) and target.fits(path.name):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() in one.hashes:
                    found[one.name] = (path.name, content)
    return found


def _download(
    wanted: Iterable[LockedWheel], target: Target, directory: Path, pip: Sequence[str], lock: Path
) -> None:
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", target.python]
    command += [part for abi in target.abis for part in ("--abi", abi)]
    command += [part for platform in target.platforms for part in ("--platform", platform)]
    # Not the lock itself: pip would tell its markers by the Python that it runs on.
    lines = [
        " ".join(
            [f"{one.name}=={one.version}", *(f"--hash=sha256:{digest}" for digest in sorted(one.hashes))]
        )
        for one in wanted
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("\n".join(lines))
        requirements.flush()
        result = subprocess.run(
            [*command, "--dest", str(directory), "--requirement", requirements.name],
            capture_output=True,
            text=True,
            check=False,
        )
    if result.returncode:
        raise MillpondError(
            f"pip could not download the wheels for Python {target.python}.",
            where=str(lock),
            next_step="reach a package index, or name a directory of wheels by PIP_FIND_LINKS",
            detail=(result.stderr or result.stdout).strip()[-2000:],
        )


def _holds(marker: str, target: Target, lock: Path) -> bool:
    """Whether a marker of the lock, comparisons joined by ``and``, is true of a target."""
    return all(_is_true(comparison.strip(), target, lock) for comparison in marker.split(" and "))


def _is_true(comparison: str, target: Target, lock: Path) -> bool:
    found = _COMPARISON.fullmatch(comparison)
    if found and found["name"] == "python_full_version":
        wanted = _numbers(found["value"].removesuffix(".*"))
        own = _numbers(target.python)
        if found["value"].endswith(".*"):
            own = own[: len(wanted)]
        return _compare(own, found["operator"], wanted)
    if found and found["name"] in _ENVIRONMENT:
        return _compare(_ENVIRONMENT[found["name"]], found["operator"], found["value"])
    raise MillpondError(f"The lock has a marker that nobody foresaw: {comparison}", where=str(lock))


def _compare(left: str | tuple[int, ...], operator: str, right: str | tuple[int, ...]) -> bool:
    is_less, is_equal = left < right, left == right  # type: ignore[operator]
    return {
        "<": is_less,
        "<=": is_less or is_equal,
        "==": is_equal,
        "!=": not is_equal,
        ">=": not is_less,
        ">": not is_less and not is_equal,
    }[operator]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
