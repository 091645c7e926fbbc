"""The environment of notebooks: JupyterLab with the kernel that AWS publishes, made on first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from millpond.base.config import Settings
from millpond.toolchain import bootstrap

LOCK = bootstrap.REQUIREMENTS / "notebook.txt"
PYTHON = "3.11"


def install(settings: Settings, say: Callable[[str], None]) -> Path:
    """Have it; its interpreter.

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
    with bootstrap.alone(settings.home):
        uv = bootstrap.ensure_uv(settings.home)
        python = bootstrap.ensure_python(PYTHON, settings.home, uv)
        say("JupyterLab and AWS's kernel, 390 MB, from PyPI, on first use")
        return bootstrap.ensure_environment("notebook", python, LOCK, settings.home, uv)
