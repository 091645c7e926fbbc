"""``millpond lake``: which tables of a database the lake has, and by which settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ingest.settings_schema import FIELDS

from lake import scaffold
from lake.catalog import Relation
from lake.proposals import Proposal, database_of, propose_all, refused
from lake.sources import Source
from lake.standing import Finding, findings
from millpond.base.errors import MillpondError

# What `edit` takes beside settings: a part of the structure.
PARTITIONS = "partitions"
_OF_THE_SOURCE = {"table_id", "source_schema", "source_table"}


@dataclass(frozen=True)
class Wanted:
    """Which relations of a database are meant.

    Parameters
    ----------
    schemas : sequence of str
        All of users unless given.
    tables, exclude : sequence of str
        Patterns as a shell has them, of ``schema.table`` or of the table's name.
    """

    schemas: Sequence[str] = ()
    tables: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def takes(self, relation: Relation) -> bool:
        """Whether a relation is meant."""
        is_named = not self.tables or _fits(relation, self.tables)
        return is_named and not _fits(relation, self.exclude)


@dataclass(frozen=True)
class Addition:
    """What is added, and what is not.

    Parameters
    ----------
    proposals : tuple of Proposal
        New tables.
    refused : dict
        ``table_id`` → why it cannot be ingested.
    known : tuple of str
        Tables that have settings already, which stay as they are.
    foreign : tuple of str
        Tables with settings that this database does not have.
    """

    proposals: tuple[Proposal, ...]
    refused: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def look(source: Source, wanted: Wanted, directory: Path = scaffold.FIXTURES) -> Addition:
    """Read the catalog of a database, and propose settings for what has none.

    Raises
    ------
    MillpondError
        If a schema is not there, or nothing is meant by what is wanted.
    """
    settings = scaffold.read_settings(directory)
    with closing(source.open()) as database:
        schemas = _schemas(database.schemas(), wanted, source)
        there = database.relations(database.schemas())
    names = {relation.table_id for relation in there}
    meant = [one for one in there if one.schema in schemas and wanted.takes(one)]
    if not meant:
        raise MillpondError(
            "No table or view is meant by that.",
            where=source.address,
            next_step=f"name others; those of {', '.join(schemas) or 'the database'}: "
            + (", ".join(sorted(one.table_id for one in there if one.schema in schemas)[:20]) or "none"),
        )
    known = tuple(one.table_id for one in meant if one.table_id in settings)
    cannot = {one.table_id: why for one in meant if (why := refused(one))}
    new = [one for one in meant if one.table_id not in settings and one.table_id not in cannot]
    databases = {one.schema: database_of(one.schema, source.name) for one in new}
    taken: dict[str, list[str]] = {}
    for item in settings.values():
        taken.setdefault(item["target_database"], []).append(item["target_table"])
    return Addition(
        tuple(propose_all(new, databases, taken)),
        cannot,
        known,
        tuple(sorted(set(settings) - names)),
    )


def add(addition: Addition, directory: Path = scaffold.FIXTURES, *, replaces: bool = False) -> None:
    """Write settings and structures of what is new.

    Parameters
    ----------
    addition : Addition
        As :func:`look` gives it.
    directory : Path
        Of the fixtures.
    replaces : bool
        Whether tables that the database does not have lose their settings.

    Raises
    ------
    MillpondError
        If there are such tables and they shall not: jobs sign in to one database.
    """
    if addition.foreign and not replaces:
        raise MillpondError(
            f"{len(addition.foreign)} tables have settings and are not in this database: "
            f"{', '.join(addition.foreign[:5])}{' …' if len(addition.foreign) > 5 else ''}. "
            "The jobs sign in to one database.",
            where=str(directory),
            next_step="add --replace to remove their settings; what is in the lake of them stays",
        )
    choices = scaffold.read_choices(directory)
    _forget(addition.foreign, choices, directory)
    for one in addition.proposals:
        _write(one.relation, one.choice, directory)
        choices[one.relation.table_id] = one.choice
    scaffold.write_choices(choices, directory)


def remove(patterns: Sequence[str], directory: Path = scaffold.FIXTURES) -> list[str]:
    """Remove the settings of tables; which they were. What is in the lake of them stays.

    Raises
    ------
    MillpondError
        If a pattern means none.
    """
    settings = scaffold.read_settings(directory)
    chosen: set[str] = set()
    for pattern in patterns:
        found = {table_id for table_id in settings if fnmatchcase(table_id, pattern)}
        if not found:
            raise _unknown(pattern, settings)
        chosen |= found
    choices = scaffold.read_choices(directory)
    _forget(sorted(chosen), choices, directory)
    scaffold.write_choices(choices, directory)
    return sorted(chosen)


def edit(
    source: Source, table_id: str, assignments: Sequence[str], directory: Path = scaffold.FIXTURES
) -> dict[str, Any]:
    """Change settings of a table, and read its structure anew; its item.

    Parameters
    ----------
    source : Source
        Where the table is.
    table_id : str
        Which one.
    assignments : sequence of str
        ``SETTING=VALUE``, the value as JSON or plain text; ``SETTING=`` goes back to the default.

    Raises
    ------
    MillpondError
        If there is no such table or setting, or no run could use the result.
    """
    settings = scaffold.read_settings(directory)
    if table_id not in settings:
        raise _unknown(table_id, settings)
    if not assignments:
        return settings[table_id]
    choices = scaffold.read_choices(directory)
    choice = dict(choices.get(table_id, {}))
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or name in _OF_THE_SOURCE or name not in {*FIELDS, PARTITIONS}:
            possible = ", ".join(sorted({*FIELDS, PARTITIONS} - _OF_THE_SOURCE))
            raise MillpondError(
                f"{assignment} sets nothing.", next_step=f"SETTING=VALUE; the settings: {possible}"
            )
        choice.pop(name, None)
        if text:
            choice[name] = _value(name, text)
    with closing(source.open()) as database:
        relations = database.relations([settings[table_id]["source_schema"]])
    relation = next((one for one in relations if one.table_id == table_id), None)
    if relation is None:
        raise MillpondError(f"The database has no table {table_id}.", where=source.address)
    _write(relation, choice, directory)
    choices[table_id] = choice
    scaffold.write_choices(choices, directory)
    return scaffold.read_settings(directory)[table_id]


def check(
    source: Source, directory: Path = scaffold.FIXTURES, say: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Hold the settings of every table against the database."""
    settings = scaffold.read_settings(directory)
    found: list[Finding] = []
    with closing(source.open()) as database:
        schemas = sorted({item["source_schema"] for item in settings.values()})
        relations = {one.table_id: one for one in database.relations(schemas)}
        for table_id, item in settings.items():
            say(table_id)
            path = directory / "table_structures" / f"{table_id}.json"
            structure = json.loads(path.read_text()) if path.exists() else None
            found += findings(database, relations.get(table_id), item, structure)
    return found


def _schemas(there: Sequence[str], wanted: Wanted, source: Source) -> list[str]:
    if unknown := sorted(set(wanted.schemas) - set(there)):
        raise MillpondError(
            f"There is no schema {', '.join(unknown)}.",
            where=source.address,
            next_step=f"name one of the schemas: {', '.join(there)}",
        )
    return list(wanted.schemas or there)


def _fits(relation: Relation, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(relation.table_id, one) or fnmatchcase(relation.name, one) for one in patterns)


def _write(relation: Relation, choice: Mapping[str, Any], directory: Path) -> None:
    setting = scaffold.job_setting(relation.columns, choice)
    structure = scaffold.table_structure(relation.columns, choice)
    scaffold.write_item(directory, "job_settings", relation.table_id, setting)
    scaffold.write_item(directory, "table_structures", relation.table_id, structure)


def _forget(table_ids: Sequence[str], choices: dict[str, dict[str, Any]], directory: Path) -> None:
    for table_id in table_ids:
        choices.pop(table_id, None)
        for folder in ("job_settings", "table_structures"):
            (directory / folder / f"{table_id}.json").unlink(missing_ok=True)


def _value(name: str, text: str) -> Any:
    kinds = FIELDS[name]["type"] if name in FIELDS else "array"
    if "string" in ([kinds] if isinstance(kinds, str) else kinds):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise MillpondError(
            f"The value of {name} is not JSON: {error}.",
            where=text,
            next_step="for example key_columns='[\"id\"]'",
        ) from error


def _unknown(table: str, settings: Mapping[str, Any]) -> MillpondError:
    known = ", ".join(settings) or "none"
    return MillpondError(f"No table {table} has settings.", next_step=f"name one of them: {known}")
