"""Which files an artifact, a cache or a report is made of.

Source: ``artifacts`` in the buildspec reference: ``**/*`` is every file recursively, ``dir/*`` the files in a
directory, ``dir/**/*`` everything below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from millpond.planes.codebuild.buildspec import FileSet
from millpond.planes.codebuild.exceptions import ClientFailure


def select(root: Path, wanted: FileSet) -> dict[str, Path]:
    """Names within the artifact to files.

    Parameters
    ----------
    root : Path
        The source directory.
    wanted : FileSet
        What of it.

    Raises
    ------
    ClientFailure
        If nothing matches, as CodeBuild does.
    """
    bases = base_directories(root, wanted.base_directory)
    files: dict[str, Path] = {}
    for base in bases:
        for pattern in wanted.files:
            for path in matching(base, pattern):
                relative = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
                if not is_excluded(relative, wanted.exclude_paths):
                    files[path.name if wanted.discard_paths else str(relative)] = path
    if not files:
        raise ClientFailure(f"no matching artifact paths found for: {', '.join(wanted.files)}")
    return files


def base_directories(root: Path, pattern: str) -> list[Path]:
    """The directories that ``base-directory`` names; it may hold wildcards."""
    if not pattern or pattern == ".":
        return [root]
    directories = [path for path in _glob(root, pattern) if path.is_dir()]
    if not directories:
        raise ClientFailure(f"no matching base directory path found for {pattern}")
    return directories


def matching(base: Path, pattern: str) -> list[Path]:
    """The files that a pattern names, in order; a directory without wildcard is not one."""
    return [path for path in _glob(base, pattern) if path.is_file()]


def is_excluded(relative: Path, patterns: Sequence[str]) -> bool:
    """Whether a file is one of ``exclude-paths``."""
    return any(relative.full_match(pattern) for pattern in patterns)


def _glob(base: Path, pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_absolute():
        return sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    return sorted(base.glob(pattern.removeprefix("./")))
