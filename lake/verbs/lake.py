"""``millpond lake``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from lake import sources, tables
from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.deployments import deploy_quietly
from millpond.cli.session import Json, exclusive, require_running
from millpond.client.aws import Aws
from millpond.stack.onprem import OnPremDatabase

SHOWN_ERRORS = 5


class Action(StrEnum):
    """What is done."""

    ADD = "add"
    REMOVE = "remove"
    EDIT = "edit"
    CHECK = "check"


def lake(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="add: postgresql://…, mysql://…, or a dump; the stack's own database when not given. "
            "remove: tables, also as patterns. edit: a table, then SETTING=VALUE."
        ),
    ] = None,
    schema: Annotated[list[str] | None, typer.Option(help="add: only this schema; may be repeated.")] = None,
    table: Annotated[
        list[str] | None, typer.Option(help="add: only these, a pattern; may be repeated.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="add: not these; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="add: show what would be added.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="add: remove the settings of tables that the database lacks.")
    ] = False,
    deploy: Annotated[bool, typer.Option(help="Deploy the platform with the new settings.")] = True,
    as_json: Json = False,
) -> None:
    """Say which tables of a database the lake has, and how they are ingested."""
    settings = load_settings()
    given = what or []
    match action:
        case Action.ADD:
            wanted = tables.Wanted(schema or (), table or (), exclude or ())
            with exclusive(settings):
                require_running(settings)
                _add(
                    settings,
                    given,
                    wanted,
                    replaces=replace,
                    deploys=deploy,
                    only_shows=dry_run,
                    as_json=as_json,
                )
        case Action.REMOVE:
            if not given:
                raise MillpondError("No table is named.", next_step="millpond lake remove TABLE")
            console.note(f"removed: {', '.join(tables.remove(given))}; what is in the lake of them stays")
            _deploy(settings, deploys=deploy)
        case Action.EDIT:
            if not given:
                raise MillpondError("No table is named.", next_step="millpond lake edit TABLE SETTING=VALUE")
            require_running(settings)
            item = tables.edit(sources.current_source(settings, Aws(settings)), given[0], given[1:])
            console.show_json(item)
            if given[1:]:
                _deploy(settings, deploys=deploy)
        case Action.CHECK:
            require_running(settings)
            _check(settings, as_json=as_json)


def _add(
    settings: Settings,
    given: Sequence[str],
    wanted: tables.Wanted,
    *,
    replaces: bool,
    deploys: bool,
    only_shows: bool,
    as_json: bool,
) -> None:
    if len(given) > 1:
        raise MillpondError("One database is added at a time.", next_step="millpond lake add postgresql://…")
    source = _source(settings, given[0] if given else "")
    with console.step(f"Reading the catalog of {source.address}"):
        addition = tables.look(source, wanted)
    _show(addition, as_json=as_json)
    if only_shows:
        return
    tables.add(addition, replaces=replaces)
    console.note(f"written: settings and structures of {len(addition.proposals)} tables, in fixtures/")
    if not deploys:
        console.note(
            "next: millpond deploy, then millpond lake add again, which puts the secret of the database"
        )
        return
    deploy_quietly(settings)
    sources.put_secrets(settings, Aws(settings), source)
    console.note("the jobs' secret names this database; next: millpond ingest, then millpond verify")


def _source(settings: Settings, text: str) -> sources.Source:
    if not text:
        return sources.own_source(settings)
    if text.startswith(sources.SCHEMES):
        return sources.source_of_url(text)
    if not sources.is_dump(text):
        raise MillpondError(
            f"{text} is neither an address nor a file.",
            next_step="millpond lake add postgresql://USER:PASSWORD@HOST:5432/DATABASE, mysql://…, or a dump",
        )
    path = Path(text)
    with console.step(f"Restoring {path.name}"):
        errors = OnPremDatabase(settings).add_dump(path)
    if errors:
        console.note(f"{len(errors)} statements of the dump were refused; the first of them:")
        for line in errors[:SHOWN_ERRORS]:
            console.note(f"  {line}")
    return sources.own_source(settings, path.name.split(".")[0])


def _show(addition: tables.Addition, *, as_json: bool) -> None:
    if as_json:
        shown: dict[str, Any] = {
            "tables": {one.relation.table_id: one.choice for one in addition.proposals},
            "refused": dict(addition.refused),
            "known": list(addition.known),
            "not_in_this_database": list(addition.foreign),
        }
        console.show_json(shown)
        return
    rows = [
        tuple(
            escape(cell)
            for cell in (
                one.relation.table_id,
                f"{one.relation.rows:,}" if one.relation.rows else "",
                one.mode,
                ", ".join(one.choice.get("key_columns") or one.relation.key),
                one.choice.get("watermark_column", ""),
                ", ".join(
                    f"{part['transform']}({part['source_name']})" for part in one.choice.get("partitions", [])
                ),
                one.choice.get("engine", "auto"),
                ", ".join(
                    f"{name} {action}" for name, action in one.choice.get("column_actions", {}).items()
                ),
                "; ".join(one.notes),
            )
        )
        for one in addition.proposals
    ]
    columns = ("table", "rows", "mode", "key", "watermark", "partitions", "engine", "masks", "note")
    console.show_table(columns, rows)
    for table_id, why in addition.refused.items():
        console.note(f"{table_id} is left out: {why}")
    if addition.known:
        console.note(f"{len(addition.known)} tables have settings already, which stay as they are")


def _deploy(settings: Settings, *, deploys: bool) -> None:
    if not deploys:
        console.note("next: millpond deploy")
        return
    with exclusive(settings):
        require_running(settings)
        deploy_quietly(settings)


def _check(settings: Settings, *, as_json: bool) -> None:
    source = sources.current_source(settings, Aws(settings))
    with console.step(f"Holding the settings against {source.address}") as say:
        found = tables.check(source, say=say)
    if as_json:
        console.show_json(
            [{"table_id": one.table_id, "text": one.text, "wrong": one.is_wrong} for one in found]
        )
    else:
        rows = [
            (escape(one.table_id), "[red]wrong[/red]" if one.is_wrong else "note", escape(one.text))
            for one in found
        ]
        if rows:
            console.show_table(("table", "", "what"), rows)
    wrong = sum(one.is_wrong for one in found)
    console.note(f"{wrong} wrong, {len(found) - wrong} to know" if found else "all as the settings say")
    if wrong:
        raise typer.Exit(1)
