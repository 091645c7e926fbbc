"""What a run ingests, and with which engine: pure functions over the items of DynamoDB."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Bytes that one value takes in memory, by the catalog type of its column; text and binary by experience.
TYPE_BYTES = {
    "boolean": 1,
    "tinyint": 1,
    "smallint": 2,
    "int": 4,
    "bigint": 8,
    "float": 4,
    "double": 8,
    "date": 4,
    "timestamp": 8,
    "decimal": 16,
    "string": 32,
    "binary": 64,
    "array": 64,
}
OTHER_TYPE_BYTES = 64


class BadInputError(Exception):
    """The execution was started with an input that is not what the state machine takes."""


class UnknownTableError(Exception):
    """A table was asked for that is not in job_settings."""


class BadSettingsError(Exception):
    """An item of job_settings or a parameter does not hold what it should."""


@dataclass(frozen=True)
class Request:
    """The input of an execution.

    Parameters
    ----------
    run_id : str
        Name of the execution.
    tables : tuple of str, optional
        The ``table_id`` of each table to ingest; every enabled one when it is None.
    """

    run_id: str
    tables: tuple[str, ...] | None

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Request:
        unknown = sorted(set(event) - {"run_id", "tables"})
        if unknown:
            raise BadInputError(f"The input holds {', '.join(unknown)}; it may hold only tables.")
        tables = event.get("tables")
        if tables is None:
            return cls(event["run_id"], None)
        if not isinstance(tables, list) or not tables or not all(isinstance(name, str) for name in tables):
            raise BadInputError('tables is a list of names that is not empty, for example ["erp.orders"].')
        return cls(event["run_id"], tuple(tables))


def choose_tables(
    settings: Iterable[Mapping[str, Any]], requested: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    """The settings of the tables that a run ingests: the enabled ones, or those asked for by name.

    Parameters
    ----------
    settings : iterable of mapping
        Items of ``job_settings``.
    requested : sequence of str, optional
        ``table_id`` of each table asked for. A disabled table that is asked for by name is an error too:
        somebody switched it off.
    """
    by_id = {item["table_id"]: item for item in settings}
    if requested is None:
        return [item for _, item in sorted(by_id.items()) if item["enabled"]]
    unknown = sorted(set(requested) - set(by_id))
    if unknown:
        raise UnknownTableError(f"job_settings holds no {', '.join(unknown)}.")
    disabled = sorted(name for name in set(requested) if not by_id[name]["enabled"])
    if disabled:
        raise UnknownTableError(f"Disabled in job_settings: {', '.join(disabled)}.")
    return [by_id[name] for name in sorted(set(requested))]


def estimate_row_bytes(structure: Mapping[str, Any]) -> int:
    """About how much memory one row takes, from the catalog types of its columns."""
    return sum(_type_bytes(column["type"]) for column in structure["columns"])


def choose_engine(
    settings: Mapping[str, Any], estimated_bytes: int | None, spark_threshold_bytes: int
) -> str:
    """Which job ingests a table.

    Parameters
    ----------
    settings : mapping
        Item of ``job_settings``; its engine is ``shell``, ``spark``, or ``auto``, which leaves it to
        the size.
    estimated_bytes : int, optional
        Size of the table; None when nothing is known of it yet, and then the cheaper job tries.
    spark_threshold_bytes : int
        From this size on Spark is chosen.
    """
    engine = settings["engine"]
    if engine in ("shell", "spark"):
        return engine
    if engine != "auto":
        raise BadSettingsError(f"{settings['table_id']}: engine is {engine!r}; it is auto, shell or spark.")
    return "spark" if estimated_bytes is not None and estimated_bytes >= spark_threshold_bytes else "shell"


def plan_table(settings: Mapping[str, Any], engine: str, jobs: Mapping[str, str]) -> dict[str, str]:
    """What the state machine has to know of one table."""
    database, table = settings["target_database"], settings["target_table"]
    return {
        "table_id": settings["table_id"],
        "engine": engine,
        "job_name": jobs[engine],
        "database": database,
        "table": table,
        "count_query": f"SELECT count(*) FROM {_quote(database)}.{_quote(table)}",  # noqa: S608 both are quoted
    }


def _type_bytes(catalog_type: str) -> int:
    base = re.split(r"[(<]", catalog_type, maxsplit=1)[0].strip().lower()
    return TYPE_BYTES.get(base, OTHER_TYPE_BYTES)


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
