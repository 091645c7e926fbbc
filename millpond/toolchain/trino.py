"""Trino 476 out of its own archive: what Millpond's Athena asks beside its compiler.

The archive of the server holds 51 plug-ins; four read tables, and two bring functions. Some of their jars are
in no repository by themselves, so the archive is fetched whole, and what is not needed is not unpacked: other
plug-ins, and the file systems and drivers of other clouds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.planes.common.trino import INSTALL, INSTALLED, Installation
from millpond.toolchain import bootstrap, components, ivy

__all__ = ["INSTALL", "VERSION", "Installation", "find_trino", "install_trino", "locked"]
VERSION = "476"
LOCK = bootstrap.REQUIREMENTS / "trino.txt"
MINIMUM_JAVA = 24
PLUGINS = ("hive", "iceberg", "delta-lake", "hudi", "geospatial", "ml")
_WANTED = re.compile(rf"(?:lib|plugin/(?:{'|'.join(PLUGINS)}))/[^/]+\.jar")
_LEFT_OUT = re.compile(
    r"snowflake-jdbc|rocksdbjni|gcs-connector|hadoop-apache-|grpc-|alluxio|conscrypt|google-cloud|proto-google|"
    r"com\.google\.(?:api|auth|cloud|apis)|azure|opencensus|reactor-|msal|gax|bigdataoss|netty-tcnative|"
    r"netty.*-(?:linux|osx|windows)-"
)
_LOOK = 0.5
_PIECE = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Archive:
    """The archive of the server.

    Parameters
    ----------
    artifact : Artifact
        What it is in a Maven repository.
    size : int
        Bytes.
    sha256 : str
    """

    artifact: ivy.Artifact
    size: int
    sha256: str


def locked() -> Archive:
    """What ``requirements/trino.txt`` says."""
    (line,) = (line for line in LOCK.read_text().splitlines() if line and not line.startswith("#"))
    coordinates, size, sha256 = line.split()
    group, name, version = coordinates.split(":")
    return Archive(
        ivy.Artifact(group, name, version, "tar.gz"), int(size), sha256.removeprefix("--hash=sha256:")
    )


def find_trino(settings: Settings) -> Installation | None:
    """The Trino of this user, if it is the locked one and there whole."""
    stamp = bootstrap.Stamp(settings.trino_dir / ".stamp", [LOCK])
    return Installation.find(settings.trino_dir) if stamp.is_current else None


def install_trino(settings: Settings, on_progress: Progress | None = None) -> Installation:
    """Fetch it; nothing happens where it is there.

    Parameters
    ----------
    settings : Settings
        Where to.
    on_progress : callable, optional
        Told of the bytes that are there, and of all of them.

    Raises
    ------
    MillpondError
        If the archive cannot be had, or is not the one that was locked.
    BootstrapError
        If Java or PySpark's Ivy cannot be had.
    """
    if (trino := find_trino(settings)) is not None:
        return trino
    home, archive = settings.trino_dir, locked()
    home.parent.mkdir(parents=True, exist_ok=True)
    java_home = _java(settings)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="trino-") as fetched:
        java, spark = components.find_java(settings).path, components.find_spark(settings).path
        assert java is not None
        assert spark is not None
        with _watched(Path(fetched), archive.size, on_progress):
            source = ivy.Ivy.of(java / "bin" / "java", spark, settings.maven_mirror)
            source.retrieve([archive.artifact], Path(fetched))
        path = Path(fetched) / archive.artifact.file_name
        _check(path, archive.sha256)
        shutil.rmtree(home, ignore_errors=True)
        unpack(path, home)
    (home / INSTALLED).write_text(json.dumps({"version": VERSION, "java_home": str(java_home)}))
    bootstrap.Stamp(home / ".stamp", [LOCK]).write()
    return Installation(home, java_home)


def unpack(archive: Path, home: Path) -> None:
    """Unpack what is needed.

    A jar that several plug-ins have is in the archive once, and under its other names a hard link to the
    first of them, which may be one that is left out: so the names are read first.
    """
    places: dict[str, list[Path]] = {}
    with tarfile.open(archive, "r|gz") as opened:
        for member in opened:
            name = member.name.partition("/")[2]
            if (member.isfile() or member.islnk()) and _WANTED.fullmatch(name) and not _LEFT_OUT.search(name):
                places.setdefault(member.linkname if member.islnk() else member.name, []).append(home / name)
    with tarfile.open(archive, "r|gz") as opened:
        for member in opened:
            targets = places.get(member.name, [])
            source = opened.extractfile(member) if targets and not member.islnk() else None
            if source is None:
                continue
            for target in targets:
                target.parent.mkdir(parents=True, exist_ok=True)
            with source, targets[0].open("wb") as file:
                shutil.copyfileobj(source, file, _PIECE)
            for target in targets[1:]:
                os.link(targets[0], target)


@contextmanager
def _watched(directory: Path, total: int, on_progress: Progress | None) -> Iterator[None]:
    """Tell how much of a file has come, as long as the block lasts."""
    done = threading.Event()

    def watch() -> None:
        while on_progress is not None and not done.wait(_LOOK):
            sizes = [path.stat().st_size for path in directory.rglob("*.tar.gz*") if path.is_file()]
            on_progress(min(total, max(sizes, default=0)), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise MillpondError(
            f"{path.name} is not the file that was locked: SHA-256 {digest}, expected {sha256}.",
            where=str(LOCK),
            next_step=f"{INSTALL}; if it stays, do not use the file",
        )


def _java(settings: Settings) -> Path:
    """Java 24 or later: of this machine, else of a Python package."""
    own = settings.home / "java-trino"
    on_path = shutil.which("java")
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += [Path(on_path).resolve().parent.parent] if on_path else []
    for home in (*homes, *sorted(Path("/usr/lib/jvm").glob("*")), own):
        version = components.java_version(home)
        if version and int(re.split(r"\D", version)[0]) >= MINIMUM_JAVA:
            return home
    settings.home.mkdir(parents=True, exist_ok=True)
    components.unpack_java(settings, "java-trino.txt", own)
    return own
