"""Where Millpond itself is, and where it keeps what it makes for a user.

Standard library only, for any Python from 3.8 on.

In a checkout, what the harness brings beside its code lies beside the package, and what it makes lies below
``.millpond/`` there. An installed Millpond carries the first within itself and keeps the second in the user's
directories of the XDG base directory specification, for all projects.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (PACKAGE.parent / "requirements").is_dir()
# The repository, or where an installed package lies.
CHECKOUT = PACKAGE.parent
# `requirements/` and `glue_runtime/` are in it.
RESOURCES = CHECKOUT if IS_CHECKOUT else PACKAGE / "resources"
HIDDEN = ".millpond"


def xdg_directory(variable: str, usual: str) -> Path:
    """A base directory of XDG's; one that is not absolute is ignored, as the specification says."""
    directory = os.environ.get(variable, "")
    return Path(directory) if Path(directory).is_absolute() else Path.home() / usual


def default_home() -> Path:
    """Everything that is made once: for a checkout, or for a user of an installed Millpond."""
    directory = os.environ.get("MILLPOND_HOME")
    if directory:
        return Path(directory).absolute()
    return CHECKOUT / HIDDEN if IS_CHECKOUT else xdg_directory("XDG_DATA_HOME", ".local/share") / "millpond"


def default_cache() -> Path:
    """What every Millpond of a user shares, and can be fetched again."""
    return xdg_directory("XDG_CACHE_HOME", ".cache") / "millpond"
