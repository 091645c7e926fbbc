"""Jars from Maven Central, each with its locked size and SHA-256.

They are fetched by Ivy, which PySpark brings: Java and PySpark are there before any of them is wanted. Where
the repository is stands in Ivy, or in the setting ``maven_mirror``. What Ivy brought is taken only if it
is the file of the lock, ``requirements/maven.lock``, which ``python -m millpond.toolchain.maven`` writes.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from millpond.base.errors import MillpondError
from millpond.toolchain.bootstrap import REQUIREMENTS
from millpond.toolchain.ivy import Artifact as File
from millpond.toolchain.ivy import Ivy

LOCK = REQUIREMENTS / "maven.lock"
WANTED = REQUIREMENTS / "maven.in"


@dataclass(frozen=True)
class Artifact:
    """A jar of a Maven repository.

    Parameters
    ----------
    set_name : str
        What it belongs to: whoever wants one of a set wants all.
    group, name, version : str
        Its coordinates.
    size : int
        Bytes; 0 where it is not locked.
    sha256 : str
        Empty where it is not locked.
    """

    set_name: str
    group: str
    name: str
    version: str
    size: int = 0
    sha256: str = ""

    @property
    def coordinates(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"

    @property
    def file(self) -> File:
        return File(self.group, self.name, self.version)

    @property
    def file_name(self) -> str:
        return self.file.file_name


def read_lock(lock: Path = LOCK) -> dict[str, tuple[Artifact, ...]]:
    """The jars of every set."""
    sets: dict[str, tuple[Artifact, ...]] = {}
    for line in _lines(lock):
        set_name, coordinates, *rest = line.split()
        size, sha256 = (int(rest[0]), rest[1].removeprefix("sha256:")) if rest else (0, "")
        group, name, version = coordinates.split(":")
        artifact = Artifact(set_name, group, name, version, size, sha256)
        sets[set_name] = (*sets.get(set_name, ()), artifact)
    return sets


def jars_of(sets: Iterable[str], directory: Path) -> list[Path]:
    """Where the jars of sets are, or will be."""
    locked = read_lock()
    return [directory / name / artifact.file_name for name in sets for artifact in locked[name]]


def fetch(sets: Iterable[str], directory: Path, source: Ivy, tell: Callable[[str], None]) -> None:
    """Have every jar of sets below a directory, in one of each set's name.

    Parameters
    ----------
    sets : iterable of str
        Names of the lock.
    directory : Path
        Where the jars of this user are.
    source : Ivy
        Fetches what is not there.
    tell : callable
        Takes a line for whoever waits.

    Raises
    ------
    MillpondError
        If one cannot be had, or is not the file of the lock.
    """
    locked = read_lock()
    wanted = [artifact for name in sets for artifact in locked[name]]
    if not _missing(wanted, directory):
        return
    directory.mkdir(parents=True, exist_ok=True)
    with FileLock(directory / ".lock"):
        missing = _missing(wanted, directory)
        if not missing:
            return
        names = ", ".join(dict.fromkeys(artifact.set_name for artifact in missing))
        tell(
            f"fetching the jars of {names} from the Maven repository: "
            f"{len(missing)} files, {sum(artifact.size for artifact in missing) / 1e6:.1f} MB"
        )
        with tempfile.TemporaryDirectory(dir=directory, prefix=".fetching-") as fetched:
            source.retrieve([artifact.file for artifact in missing], Path(fetched))
            for artifact in missing:
                _take(artifact, Path(fetched) / artifact.file_name, directory)


def lock(source: Ivy) -> None:
    """Write the lock anew: fetch everything that is wanted, and note what came."""
    wanted = [artifact for artifacts in read_lock(WANTED).values() for artifact in artifacts]
    header = "# Made from maven.in by `make lock`: what it asks for, its size in bytes and its SHA-256.\n"
    with tempfile.TemporaryDirectory() as fetched:
        source.retrieve([artifact.file for artifact in wanted], Path(fetched))
        lines = [_locked(artifact, Path(fetched) / artifact.file_name) for artifact in wanted]
    LOCK.write_text(header + "".join(lines))


def _missing(wanted: Iterable[Artifact], directory: Path) -> list[Artifact]:
    return [
        artifact for artifact in wanted if not (directory / artifact.set_name / artifact.file_name).exists()
    ]


def _locked(artifact: Artifact, file: Path) -> str:
    return f"{artifact.set_name} {artifact.coordinates} {file.stat().st_size} sha256:{_sha256(file)}\n"


def _take(artifact: Artifact, file: Path, directory: Path) -> None:
    if (digest := _sha256(file)) != artifact.sha256:
        raise MillpondError(
            f"{artifact.file_name} is not the file that was locked: SHA-256 {digest}, "
            f"expected {artifact.sha256}.",
            where="requirements/maven.lock",
            next_step="run the command again; if it stays, do not use the file",
        )
    target = directory / artifact.set_name / artifact.file_name
    target.parent.mkdir(exist_ok=True)
    shutil.move(file, target)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _lines(lock: Path) -> list[str]:
    return [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]


if __name__ == "__main__":
    lock(Ivy(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else ""))
