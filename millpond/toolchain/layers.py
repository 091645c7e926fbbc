"""Layers of functions, made of packages when a function first has them, once for each user.

``python -m millpond.toolchain.layers HOME PYTHON REQUIREMENT…`` does it for who lacks the environment of the
person that started Millpond.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from millpond.toolchain import bootstrap
from millpond.toolchain.runtimes import elsewhere, only_one, python_of


def place_of(home: Path, python: str, requirements: tuple[str, ...]) -> Path:
    """The folder of a layer below ``home``, whether it is there or not."""
    digest = hashlib.sha256("\0".join((python, *requirements)).encode()).hexdigest()
    return home / "layers" / digest[:32]


def install_elsewhere(home: Path, python: str, requirements: tuple[str, ...]) -> None:
    """:func:`install`, in a process that has the environment of who started Millpond; raises as that does."""
    if not place_of(home, python, requirements).exists():
        elsewhere("millpond.toolchain.layers", str(home), python, *requirements)


def install(home: Path, python: str, requirements: tuple[str, ...]) -> None:
    """Have a layer.

    Raises
    ------
    BootstrapError
        If it cannot be had.
    """
    place = place_of(home, python, requirements)
    with only_one(home):
        if place.exists():
            return
        partial = place.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        bootstrap.install(
            bootstrap.ensure_uv(home),
            python_of(python, home),
            # What Lambda finds of a layer.
            ["--only-binary", ":all:", "--target", str(partial / "python"), *requirements],
            f"A layer with {', '.join(requirements)}",
        )
        partial.rename(place)


def main(home: str, python: str, *requirements: str) -> int:
    try:
        install(Path(home), python, requirements)
    except bootstrap.BootstrapError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
