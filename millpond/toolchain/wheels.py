"""The wheels that functions and jobs bring, exactly those that are locked.

pip downloads them, for the Python that is to run them, and checks their hashes. The wheels of a lock are
kept in a directory named after the lock's content, so that builds of this machine need no package index.
Standard library only, as :mod:`lake.package`, which uses it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from millpond.base.errors import MillpondError

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
    def options(self) -> list[str]:
        """Options of ``pip download`` for this target; a wheel for an older glibc runs with a newer one."""
        digits = self.python.replace(".", "")
        abis = ("none",) if self.glibc is None else (f"cp{digits}", "abi3", "none")
        minors = range(self.glibc or 0, 4, -1)
        # The names that glibc 2.17, 2.12 and 2.5 had before.
        older = ("2014", "2010", "1") if self.glibc else ()
        platforms = (*(f"_2_{minor}" for minor in minors), *older)
        return [
            *("--implementation", "cp", "--python-version", self.python),
            *(part for abi in abis for part in ("--abi", abi)),
            *(part for name in platforms for part in ("--platform", f"manylinux{name}_x86_64")),
            *("--platform", "any"),
        ]


LAMBDA = Target("3.13")
# Python shell jobs are reported to run on Amazon Linux 2.
GLUE_SHELL = Target("3.9", glibc=26)

LOCKS = {"lambda-vendored": LAMBDA, "glue-shell-3.9": GLUE_SHELL}
"""Locks of ``requirements/`` whose wheels a deployment brings, and what runs them.

They have no markers, which pip would tell by the Python that itself runs on.
"""


def find_wheels(lock: Path, target: Target) -> dict[str, bytes]:
    """Every wheel of a lock by its file name.

    They are taken from where :func:`keep_wheels` has put them, in ``.millpond/wheels`` of the lock's
    checkout or in a directory of ``PIP_FIND_LINKS``, else downloaded.

    Parameters
    ----------
    lock : Path
        Requirements with their hashes, without markers.
    target : Target
        What they are for.

    Raises
    ------
    MillpondError
        If a wheel is neither at hand nor to be had, or is another than the lock's.
    """
    named = [Path(word) for word in os.environ.get("PIP_FIND_LINKS", "").split()]
    for directory in (lock.parent.parent / ".millpond" / "wheels", *named):
        if (kept := kept_wheels(lock, directory)).is_dir():
            return _read(kept, lock)
    with tempfile.TemporaryDirectory(prefix="millpond-wheels-") as temporary:
        _download(lock, target, Path(temporary), [sys.executable, "-m", "pip"])
        return _read(Path(temporary), lock)


def kept_wheels(lock: Path, directory: Path) -> Path:
    """Where the wheels of a lock are kept below a directory."""
    return directory / f"{lock.stem}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"


def keep_wheels(lock: Path, target: Target, directory: Path, pip: Sequence[str]) -> int:
    """Have every wheel of a lock below a directory, and no longer those of the lock before.

    Returns
    -------
    int
        How many they are.

    Raises
    ------
    MillpondError
        If pip cannot get one.
    """
    kept = kept_wheels(lock, directory)
    if not kept.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        others = [path for path in directory.iterdir() if path.name.rpartition("-")[0] == lock.stem]
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as partial:
            _download(lock, target, Path(partial, "wheels"), pip, find_links=others)
            Path(partial, "wheels").rename(kept)
        for path in others:
            shutil.rmtree(path)
    return len(list(kept.iterdir()))


def _read(directory: Path, lock: Path) -> dict[str, bytes]:
    wheels = {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
    hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text()))
    for name, content in wheels.items():
        if hashlib.sha256(content).hexdigest() not in hashes:
            raise MillpondError(
                f"{name} is not the wheel that {lock.name} locks.",
                where=str(directory / name),
                next_step=f"rm -r {directory}, then millpond doctor",
            )
    return wheels


def _download(
    lock: Path, target: Target, directory: Path, pip: Sequence[str], find_links: Sequence[Path] = ()
) -> None:
    command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", *target.options]
    command += [f"--find-links={path}" for path in find_links]
    result = subprocess.run(
        [*command, "--dest", str(directory), "--requirement", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise MillpondError(
            f"pip could not download the wheels for Python {target.python}.",
            where=str(lock),
            next_step="reach a package index, or set PIP_FIND_LINKS to wheels and PIP_NO_INDEX to 1",
            detail=(result.stderr or result.stdout).strip()[-2000:],
        )


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
