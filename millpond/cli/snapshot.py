"""``millpond snapshot``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Json, bring_up, exclusive, require_running
from millpond.stack.embedded import EmbeddedStack
from millpond.stack.snapshots import Snapshots


class Action(StrEnum):
    """What is done."""

    SAVE = "save"
    LOAD = "load"
    LIST = "list"
    REMOVE = "remove"


def snapshot(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    name: Annotated[str | None, typer.Argument(help="Of the snapshot; to load one, also a file.")] = None,
    as_json: Json = False,
) -> None:
    """Keep the whole stack as one file (AWS side, objects, database), or load one; it has secrets in it."""
    settings = load_settings()
    snapshots = Snapshots(settings)
    if action is Action.LIST:
        _list(snapshots, as_json)
        return
    if name is None:
        raise MillpondError(
            f"{action} needs the name of a snapshot.", next_step=f"millpond snapshot {action} NAME"
        )
    with exclusive(settings):
        match action:
            case Action.SAVE:
                save(settings, snapshots, name)
            case Action.LOAD:
                load(settings, snapshots, name)
            case Action.REMOVE:
                snapshots.remove(name)


def _list(snapshots: Snapshots, as_json: bool) -> None:
    found = snapshots.all()
    if as_json:
        console.show_json([{"name": one.name, "created": one.created, "bytes": one.size} for one in found])
        return
    rows = [(one.name, one.created, f"{one.size:,}", str(one.path)) for one in found]
    console.show_table(("name", "created", "bytes", "file"), rows)


def _stack(settings: Settings) -> EmbeddedStack:
    return EmbeddedStack(settings, settings.home / "tools.json")


def save(settings: Settings, snapshots: Snapshots, name: str) -> None:
    """Save a running stack."""
    require_running(settings)
    with console.step(f"Saving {name}"):
        made = snapshots.save(name, _stack(settings))
    console.note(f"{made.path}, {made.size:,} bytes")


def load(settings: Settings, snapshots: Snapshots, name: str) -> None:
    """Put a snapshot in the place of a stack, and bring that up."""
    stack = _stack(settings)
    found = snapshots.find(name)
    with console.step(f"Unpacking {found.name}"):
        dump = snapshots.unpack(found, stack)
    bring_up(settings)
    if dump is None:
        return
    with console.step("Bringing back the database"):
        secrets = snapshots.settle(found, dump, stack.onprem)
    for secret in secrets:
        console.note(f"{secret} names the database of this stack now")
