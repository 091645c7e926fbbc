"""What a stopped engine leaves on disk: a file for each part, and a manifest of those that belong together.

A part is the state of a service or of a plane. Whoever saves writes new files beside the old ones, and then
the manifest, which takes the place of the old one in one step. So whoever loads sees what was saved last as a
whole, or what was saved before it, never half of a save.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from millpond.base.errors import MillpondError

FORMAT = 1
"""Raised when files of the former form cannot be read any more."""
MANIFEST = "manifest.json"
NOT_BACK = "The saved state cannot be brought back"
"""What the log of an engine says that ended for it."""
VARIABLE = "MILLPOND_SAVED_STATE"
"""Names the directory to the engine; without it the engine keeps nothing."""


def versions() -> dict[str, str]:
    """What the state of one engine must have in common with the code that loads it."""
    return {
        "format": str(FORMAT),
        "millpond": version("millpond"),
        "localstack-core": version("localstack-core"),
        "moto-ext": version("moto-ext"),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }


@dataclass(frozen=True)
class Manifest:
    """What was saved.

    Parameters
    ----------
    number : int
        Counts the saves.
    versions : mapping
        As :func:`versions` gives them.
    parts : mapping
        Name of a part → name of its file.
    saved : str
        When.
    """

    number: int
    versions: Mapping[str, str]
    parts: Mapping[str, str]
    saved: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


class SavedState:
    """A directory of saved state.

    Parameters
    ----------
    directory : Path
        It need not exist.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def manifest(self) -> Manifest | None:
        """What was saved last; None where nothing was.

        Raises
        ------
        MillpondError
            If the manifest is no manifest.
        """
        path = self.directory / MANIFEST
        try:
            return Manifest(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise MillpondError(
                f"The saved state cannot be read: {error}.",
                where=str(path),
                next_step="millpond reset forgets it, then millpond up",
            ) from error

    def require_fitting(self) -> Manifest | None:
        """What was saved last, if this code can load it.

        Raises
        ------
        MillpondError
            If other versions have saved it.
        """
        manifest = self.manifest()
        if manifest is None:
            return None
        mine = versions()
        differing = [
            f"{name} {manifest.versions.get(name, 'unknown')} (here {mine[name]})"
            for name in mine
            if manifest.versions.get(name) != mine[name]
        ]
        if differing:
            raise MillpondError(
                f"The state was saved by another version: {', '.join(differing)}.",
                where=str(self.directory),
                next_step="go back to that version, or forget it with millpond reset, then millpond up",
            )
        return manifest

    def path(self, manifest: Manifest, part: str) -> Path:
        """Where a part is."""
        return self.directory / manifest.parts[part]

    def write(self, part: str, number: int, content: bytes) -> str:
        """Write a part beside what is there; the name of its file, which nobody reads before a commit."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{part}-{number}"
        with (self.directory / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return name

    def commit(self, manifest: Manifest) -> None:
        """Let files be what was saved last, and remove those that no longer belong to it."""
        beside = self.directory / f"{MANIFEST}.new"
        with beside.open("w") as file:
            json.dump(asdict(manifest), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(self.directory / MANIFEST)
        _sync_directory(self.directory)
        self.tidy(manifest)

    def tidy(self, manifest: Manifest) -> None:
        """Remove what belongs to no save."""
        wanted = {MANIFEST, *manifest.parts.values()}
        for path in self.directory.iterdir():
            if path.name in wanted:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
