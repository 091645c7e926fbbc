"""The environment of the console: NiceGUI over the environment of the harness, made on first use."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable
from pathlib import Path

from millpond.base.config import Settings
from millpond.toolchain import bootstrap

LOCK = bootstrap.REQUIREMENTS / "console.txt"
_OVERLAY = "millpond-harness.pth"


def is_installed(settings: Settings) -> bool:
    """Whether it is there, for this harness and from this lock."""
    overlay = _overlay(settings)
    return _stamp(settings).is_current and overlay.exists() and overlay.read_text() == _line()


def install(settings: Settings, say: Callable[[str], None]) -> Path:
    """Make the environment unless it is there; its interpreter.

    What the console reads with (boto3, DuckDB, Millpond itself) is the harness's: its packages come behind
    the console's own on the path.

    Parameters
    ----------
    settings : Settings
        Where the toolchain is.
    say : callable
        Is told what goes on.

    Raises
    ------
    BootstrapError
        If it cannot be had.
    """
    interpreter = _directory(settings) / "bin" / "python"
    with bootstrap.alone(settings.home):
        if not is_installed(settings):
            say("uv and Python")
            uv = bootstrap.ensure_uv(settings.home)
            python = bootstrap.ensure_python("3.13", settings.home, uv)
            say("NiceGUI, 60 MB, from PyPI")
            bootstrap.ensure_environment("console", python, LOCK, settings.home, uv)
            _overlay(settings).write_text(_line())
    return interpreter


def _directory(settings: Settings) -> Path:
    return settings.home / "venvs" / "console"


def _stamp(settings: Settings) -> bootstrap.Stamp:
    return bootstrap.Stamp(
        _directory(settings) / ".millpond-stamp", [LOCK, bootstrap.REQUIREMENTS / "build.txt"]
    )


def _overlay(settings: Settings) -> Path:
    return _directory(settings) / "lib" / "python3.13" / "site-packages" / _OVERLAY


def _line() -> str:
    # A plain path would not do: Millpond itself may be installed in place, by another such file.
    return f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
