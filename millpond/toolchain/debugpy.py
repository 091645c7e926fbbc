"""The wheel of debugpy that a job takes when an editor debugs it, made on first use."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from millpond.base.config import Settings
from millpond.toolchain import bootstrap

LOCK = bootstrap.REQUIREMENTS / "debugpy.txt"


def wheel(settings: Settings) -> Path:
    """The wheel, made unless it is there: for any Python, as a job takes one from S3.

    uv installs what a lock names and hands no wheel over; an installed one is its files.

    Raises
    ------
    BootstrapError
        If it cannot be had.
    """
    directory = settings.home / "debugpy"
    stamp = bootstrap.Stamp(directory / ".millpond-stamp", [LOCK])
    with bootstrap.alone(settings.home):
        if not stamp.is_current:
            uv = bootstrap.ensure_uv(settings.home)
            python = bootstrap.ensure_python("3.13", settings.home, uv)
            directory.mkdir(parents=True, exist_ok=True)
            for old in directory.glob("*.whl"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=directory) as made:
                target = ["--target", made, "--require-hashes", "-r", str(LOCK)]
                bootstrap.install(uv, python, target, "debugpy")
                _pack(Path(made), directory)
            stamp.write()
    (wheel_file,) = directory.glob("*.whl")
    return wheel_file


def _pack(installed: Path, directory: Path) -> None:
    (described,) = installed.glob("*.dist-info")
    with zipfile.ZipFile(
        directory / f"{described.stem}-py2.py3-none-any.whl", "w", zipfile.ZIP_DEFLATED
    ) as made:
        for path in sorted(installed.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                made.write(path, path.relative_to(installed))
