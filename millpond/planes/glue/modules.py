"""What a run wants beyond what its environment has: ``--additional-python-modules``, and wheels."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from filelock import FileLock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from millpond.planes.glue.environments import installer_environment
from millpond.planes.glue.exceptions import LaunchError

_INSTALL_SECONDS = 900


@cache
def interpreter_facts(python: Path) -> tuple[str, tuple[str, ...]]:
    """Version (``3.11``) and ``sys.path`` of an interpreter."""
    program = "import sys; print('%d.%d' % sys.version_info[:2]); print('\\n'.join(filter(None, sys.path)))"
    answer = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    version, *paths = answer.stdout.splitlines()
    return version, tuple(paths)


def missing(
    requirements: Sequence[str], search_path: Sequence[str], *, is_stand_in: bool = False
) -> list[str]:
    """The requirements that an environment does not satisfy.

    Parameters
    ----------
    requirements : sequence of str
        As pip reads them, and wheels.
    search_path : sequence of str
        ``sys.path`` of the environment.
    is_stand_in : bool
        Whether it stands in for another Python, which has the same distributions at other versions.
    """
    moments = tuple(_last_change(folder) for folder in search_path)
    return unsatisfied(requirements, _installed(tuple(search_path), moments), is_stand_in=is_stand_in)


@lru_cache(maxsize=32)
def _installed(search_path: tuple[str, ...], _moments: tuple[int, ...]) -> Mapping[str, str]:
    """What is installed, read once for as long as no folder has another entry."""
    found = metadata.distributions(path=list(search_path))
    return named_versions(f"{one.metadata['Name']}=={one.version}" for one in found)


def _last_change(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def unsatisfied(
    requirements: Sequence[str], installed: Mapping[str, str], *, is_stand_in: bool = False
) -> list[str]:
    """The requirements that installed distributions (canonical name to version) do not satisfy.

    As with pip, a wheel is not installed where its distribution is, at its version.
    """
    return [
        text
        for text in requirements
        if not (
            _has_wheel(text, installed, is_stand_in) if is_wheel(text) else _is_satisfied(text, installed)
        )
    ]


def is_wheel(requirement: str) -> bool:
    """Whether a requirement is a wheel, or another file, on S3."""
    return requirement.startswith("s3://")


def named_versions(lines: Iterable[str]) -> dict[str, str]:
    """Canonical name to version, from lines such as ``PyYAML==6.0``."""
    pairs = (line.partition("==") for line in lines)
    return {canonicalize_name(name): version for name, _, version in pairs}


def install(requirements: Sequence[str], *, python: Path, options: str, cache_dir: Path, home: Path) -> Path:
    """Install requirements into a directory of their own, once for each set of them.

    Parameters
    ----------
    requirements : sequence of str
        Requirements, or paths of wheels and of files of requirements (``.txt``).
    python : Path
        Interpreter they are for.
    options : str
        Value of ``--python-modules-installer-option``.
    cache_dir : Path
        Where such directories are kept.
    home : Path
        Where the toolchain may have put its own uv.

    Returns
    -------
    Path
        The directory, for the ``PYTHONPATH``.

    Raises
    ------
    LaunchError
        If the installer fails; its last lines are in the text.
    """
    target = cache_dir / _fingerprint(requirements, python, options)
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if target.exists():
            return target
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        wanted = [part for one in requirements for part in (["-r", one] if one.endswith(".txt") else [one])]
        # Glue wants "-r" as an option beside files of requirements; here their names tell.
        further = [option for option in options.split() if option not in ("-r", "--requirement")]
        command = [*_installer(python, home), "--target", str(partial), *further, *wanted]
        try:
            answer = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=installer_environment(os.environ),
                timeout=_INSTALL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LaunchError(f"Installation of additional Python modules failed: {error}") from error
        if answer.returncode:
            last = "\n".join(answer.stderr.strip().splitlines()[-5:])
            raise LaunchError(f"Installation of additional Python modules failed: {last}")
        partial.rename(target)
    return target


def _has_wheel(address: str, installed: Mapping[str, str], is_stand_in: bool) -> bool:
    try:
        name, version, _, _ = parse_wheel_filename(address.rsplit("/", 1)[-1])
    except InvalidWheelFilename:
        return False
    found = installed.get(name)
    return found is not None and (is_stand_in or Version(found) == version)


def _is_satisfied(text: str, installed: Mapping[str, str]) -> bool:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    version = installed.get(canonicalize_name(requirement.name))
    return (
        version is not None
        and not requirement.url
        and requirement.specifier.contains(version, prereleases=True)
    )


def _fingerprint(requirements: Sequence[str], python: Path, options: str) -> str:
    digest = hashlib.sha256(f"{python}\0{options}".encode())
    for requirement in sorted(requirements):
        digest.update(b"\0" + requirement.rsplit("/", 1)[-1].encode())
        if (path := Path(requirement)).is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _installer(python: Path, home: Path) -> list[str]:
    for candidate in (home / "uv/bin/uv", Path(sys.executable).with_name("uv"), shutil.which("uv")):
        if candidate and Path(candidate).exists():
            return [
                str(candidate),
                "pip",
                "install",
                "--quiet",
                "--compile-bytecode",
                "--python",
                str(python),
            ]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
