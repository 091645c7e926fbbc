"""Paths to fields: ``a.b``, ``list[].price``, and names that hold dots, in back-ticks."""

from __future__ import annotations

import re
from typing import Tuple

# Marks a step into the elements of an array.
ELEMENTS = "[]"

Path = Tuple[str, ...]

_STEP = re.compile(r"`((?:[^`]|``)*)`|([^.`\[\]]+)|(\[\])|(\.)")


def parse(text: str) -> Path:
    """Take a path apart.

    Parameters
    ----------
    text : str
        As the Glue Developer Guide writes it.

    Returns
    -------
    tuple of str
        The names, and :data:`ELEMENTS` for each ``[]``.

    Raises
    ------
    ValueError
        If it is no path.

    Examples
    --------
    >>> parse("`a.b`.c[].d")
    ('a.b', 'c', '[]', 'd')
    """
    steps, position = [], 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is not a path of fields")
        quoted, plain, elements, _ = match.groups()
        if quoted is not None:
            steps.append(quoted.replace("``", "`"))
        elif plain is not None:
            steps.append(plain)
        elif elements is not None:
            steps.append(ELEMENTS)
        position = match.end()
    if not steps:
        raise ValueError("a path of fields is empty")
    return tuple(steps)


def quote(name: str) -> str:
    """A name for Spark, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


def show(path: Path) -> str:
    """The path as text, without back-ticks."""
    return "".join(step if step == ELEMENTS else f".{step}" for step in path).lstrip(".")
