"""What the settings of a table should be, by what the catalog says: a proposal that a person can edit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.names import catalog_name

from lake.catalog import Relation
from lake.scaffold import SourceColumn, catalog_names

# A name of a file and of a state machine's input.
LONGEST_TABLE_ID = 127
# From here on a Spark job reads by several connections, and the lake's table has partitions.
LARGE_BYTES = 1 << 30
LARGE_ROWS = 5_000_000
SPLIT_PARTITIONS = 4
OVERLAP = "PT10M"

_CHANGED = re.compile(
    r"(last_?)?(updated?|modified|changed?|modification|change)(_?(at|on|date|time|ts|timestamp|datetime))?|mtime"
)
_CREATED = re.compile(
    r"(created?|inserted|ordered|occurred|recorded|logged|event)_?(at|on|date|time|ts|timestamp)?"
)
# Which columns look personal, and what becomes of them: the first that fits.
_PERSONAL: Sequence[tuple[re.Pattern[str], str, bool]] = tuple(
    (re.compile(pattern), action, of_text)
    for pattern, action, of_text in (
        (r"(.*_)?(password|passwd|pwd|secret|pin|cvv|cvc|api_?key|token|salt)(_hash)?", "drop", False),
        (r"(date_of_birth|birth_?(date|day)|dob)", "drop", False),
        (
            r"(.*_)?(ssn|tax_?id|vat_?id|iban|bic|passport|national_?id|card_?number|account_?number)(_.*)?",
            "hash",
            True,
        ),
        (r"(.*_)?e?mail(_?address)?", "tokenise", True),
        (r"(.*_)?(phone|mobile|fax|telephone)(_?(number|no))?", "tokenise", True),
        (r"(first|last|middle|family|given|sur|full|user|maiden)_?name|login", "tokenise", True),
        (
            r"((home|street|postal|billing|shipping)_?)?address(_?(line)?_?[0-9])?|street(_?name)?",
            "tokenise",
            True,
        ),
        (r"(client_|remote_)?ip(_?addr(ess)?)?", "tokenise", False),
    )
)
_TIMES = ("timestamp", "timestamptz")
_WHOLE = ("smallint", "int", "bigint")


@dataclass(frozen=True)
class Proposal:
    """What is proposed for one table.

    Parameters
    ----------
    relation : Relation
        The table.
    choice : dict
        Its entry in ``choices.json``: settings that are not as by default, and partitions.
    notes : tuple of str
        Why, and what a person might want otherwise.
    """

    relation: Relation
    choice: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def mode(self) -> str:
        """The load mode."""
        return str(self.choice.get("load_mode", "full"))


def refused(relation: Relation) -> str:
    """Why a relation cannot be ingested at all; empty where it can."""
    if not relation.is_readable:
        return "the role may not read it"
    if not relation.is_populated:
        return "it has no rows to be read before REFRESH MATERIALIZED VIEW"
    if not relation.columns:
        return "it has no column"
    if len(relation.table_id.encode()) > LONGEST_TABLE_ID or "/" in relation.table_id:
        return f"its name is longer than {LONGEST_TABLE_ID} bytes, or has a slash"
    return ""


def propose(relation: Relation, database: str, used: Sequence[str] = ()) -> Proposal:
    """The proposal for one table.

    Parameters
    ----------
    relation : Relation
        What the catalog says.
    database : str
        Of the Glue catalog.
    used : sequence of str
        Names that tables of that database have already.
    """
    notes: list[str] = [] if relation.kind == "table" else [relation.kind]
    choice: dict[str, Any] = {}
    if database != relation.schema:
        choice["target_database"] = database
    name = catalog_name(relation.name, used)
    if name != catalog_name(relation.name):
        choice["target_table"] = name
    key = relation.key
    if key and not any(column.key_position for column in relation.columns):
        choice["key_columns"] = list(key)
    watermark = _watermark(relation)
    if key and watermark and watermark.name in relation.ordered_by:
        choice |= {
            "load_mode": "incremental",
            "watermark_column": watermark.name,
            "watermark_overlap": OVERLAP,
        }
        notes.append("rows deleted in the source stay until the table is read in full")
    elif watermark:
        notes.append(
            f"{watermark.name} has no {'index' if key else 'key beside it'}, so all is read each time"
        )
    choice |= _parallel(relation)
    if partitions := _partitions(relation):
        choice["partitions"] = partitions
    reserved = {*key, choice.get("watermark_column"), *(one["source_name"] for one in partitions)}
    if actions := _actions([column for column in relation.columns if column.name not in reserved]):
        choice["column_actions"] = actions
    return Proposal(relation, choice, tuple(notes))


def propose_all(
    relations: Sequence[Relation], databases: Mapping[str, str], taken: Mapping[str, Sequence[str]]
) -> list[Proposal]:
    """Proposals for all, with names in the Glue catalog that differ.

    Parameters
    ----------
    relations : sequence of Relation
        What to ingest.
    databases : mapping
        Schema → database of the Glue catalog.
    taken : mapping
        Database → names of tables that are there.
    """
    names = {database: list(taken.get(database, ())) for database in databases.values()}
    proposals = []
    for relation in relations:
        database = databases[relation.schema]
        proposal = propose(relation, database, names[database])
        names[database].append(proposal.choice.get("target_table", catalog_name(relation.name)))
        proposals.append(proposal)
    return proposals


def database_of(schema: str, dbname: str) -> str:
    """The database of the Glue catalog for a schema; ``public`` says nothing, and has its database's name.

    Examples
    --------
    >>> database_of("Sales", "shop"), database_of("public", "Shop-1")
    ('sales', 'shop_1')
    """
    return catalog_name(dbname if schema == "public" else schema)


def _watermark(relation: Relation) -> SourceColumn | None:
    found = [
        column
        for column in relation.columns
        if _CHANGED.fullmatch(_plain(column.name)) and column.catalog_type in _TIMES
    ]
    # One with an index goes before one without.
    return min(found, key=lambda column: column.name not in relation.ordered_by, default=None)


def _parallel(relation: Relation) -> dict[str, Any]:
    if relation.bytes < LARGE_BYTES and relation.rows < LARGE_ROWS:
        return {}
    whole = [
        c for c in relation.columns if c.name == next(iter(relation.key), "") and c.catalog_type in _WHOLE
    ]
    # A read is split only where its parts see one snapshot.
    if not whole or not whole[0].dialect.export_snapshot:
        return {"engine": "spark"}
    return {"engine": "spark", "split_column": whole[0].name, "split_partitions": SPLIT_PARTITIONS}


def _partitions(relation: Relation) -> list[dict[str, str]]:
    dated = [c for c in relation.columns if c.catalog_type in ("date", *_TIMES)]
    chosen = [c for c in dated if c.name == relation.partitioned_by]
    if not chosen and relation.rows >= LARGE_ROWS:
        chosen = [c for c in dated if c.not_null and _CREATED.fullmatch(_plain(c.name))]
    if not chosen:
        return []
    of_columns = catalog_names(column.name for column in relation.columns)
    name = catalog_name(f"{chosen[0].name}_month", of_columns)
    return [{"name": name, "source_name": chosen[0].name, "transform": "month"}]


def _actions(columns: Sequence[SourceColumn]) -> dict[str, str]:
    """What becomes of columns that look personal."""
    actions: dict[str, str] = {}
    for column in columns:
        is_text = column.catalog_type == "string" or column.catalog_type.startswith("char")
        for pattern, action, of_text in _PERSONAL:
            if pattern.fullmatch(_plain(column.name)) and (is_text or not of_text):
                actions[column.name] = action
                break
    return actions


def _plain(name: str) -> str:
    """A name in snake case: ``LastName`` is ``last_name``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
