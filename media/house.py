"""Draws the rooms of the code and what each imports, as the picture of ARCHITECTURE.md.

``python media/house.py`` writes it anew; a test compares it with the code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
DOCUMENT = CHECKOUT / "ARCHITECTURE.md"
PICTURE = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)
# Each package is a room, each plane one of its own; a module belongs to the longest name that its own begins
# with.
ROOMS = sorted(
    ".".join(path.relative_to(CHECKOUT).parent.parts)
    for pattern in ("lake/__init__.py", "millpond/*/__init__.py", "millpond/planes/*/__init__.py")
    for path in CHECKOUT.glob(pattern)
    if path.parent.name != "planes"
)


def room_of(module: str) -> str | None:
    """The room that a module belongs to; None for a module of somebody else's."""
    rooms = [room for room in ROOMS if module == room or module.startswith(f"{room}.")]
    return max(rooms, key=len, default=None)


def imports() -> set[tuple[str, str]]:
    """Which room imports which."""
    return {
        (room, other)
        for path in (*CHECKOUT.glob("millpond/**/*.py"), *CHECKOUT.glob("lake/**/*.py"))
        for name in _imported(path)
        if (room := room_of(".".join(path.relative_to(CHECKOUT).with_suffix("").parts)))
        and (other := room_of(name)) not in (None, room)
    }


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def draw() -> str:
    """The picture in Mermaid's language; every room uses ``base``, so that is left out."""
    edges = sorted((one, other) for one, other in imports() if "millpond.base" not in (one, other))
    lines = ["flowchart TD"]
    lines += [f"    {_id(room)}[{room.removeprefix('millpond.').replace('.', '/')}]" for room in ROOMS]
    lines += [f"    {_id(one)} --> {_id(other)}" for one, other in edges]
    return "\n".join(lines) + "\n"


def _id(room: str) -> str:
    return room.replace(".", "_")


if __name__ == "__main__":
    DOCUMENT.write_text(PICTURE.sub(lambda _: draw(), DOCUMENT.read_text(), count=1))
