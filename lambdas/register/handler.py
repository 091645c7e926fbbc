"""The registering Lambda: compares a source table with its registered structure, and registers a new version.

``{"action": "check", "table_id", "run_id"}`` compares, and registers what the table's schema policy takes
without asking a person. ``{"action": "check_all", "items", "run_id"}`` does so for all tables of a batch and
answers which of them a job can ingest. ``{"action": "apply", "table_id", "run_id", "proposal"}`` registers
what a person approved. The answers are described in docs/contracts.md.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Attr, Key
from comparison import Comparison, SourceColumn, compare, settings_that_break
from ingest.dialect import Dialect
from ingest.dialects import dialect_of
from ingest.errors import IngestError
from ingest.settings import JobSettings
from onprem import read_secret, session

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from onprem import MySQLSession
    from pg8000.native import Connection

Item = Mapping[str, Any]

log = logging.getLogger()
log.setLevel(logging.INFO)


class BadRequestError(Exception):
    """The event is none that this function knows."""


class NotRegisteredError(Exception):
    """A table has no item in job_settings or in table_structures, or not what it should hold."""


class SourceTableMissingError(Exception):
    """The source has no such table."""


class SettingsDoNotFitError(Exception):
    """The source lost a column that the table's settings name: a person has to change them first."""


class SourceChangedAgainError(Exception):
    """The source is no longer what a person was asked about."""


class RegisteredMeanwhileError(Exception):
    """Somebody else registered a version at the same moment: worth another try."""


# What keeps one table of a batch from being compared, and no other.
NOT_COMPARED = (
    NotRegisteredError,
    SourceTableMissingError,
    SettingsDoNotFitError,
    RegisteredMeanwhileError,
)


@dataclass(frozen=True)
class Registry:
    """Where structures are registered, and how to look at the source."""

    job_settings: Table
    table_structures: Table
    source_columns: Callable[[str, str], list[SourceColumn]]
    dialect: Dialect

    @classmethod
    @contextmanager
    def from_environment(cls, environment: Mapping[str, str]) -> Iterator[Registry]:
        """The registry, with one session of the database for all that it is asked."""
        dynamodb, secret = boto3.resource("dynamodb"), read_secret(environment["SECRET_ID"])
        dialect = dialect_of(secret["engine"], f"The secret {environment['SECRET_ID']}")
        with session(secret, "millpond-register") as connection:
            yield cls(
                dynamodb.Table(environment["JOB_SETTINGS_TABLE"]),
                dynamodb.Table(environment["TABLE_STRUCTURES_TABLE"]),
                lambda schema, table: read_columns(connection, dialect.columns_query(schema, table)),
                dialect,
            )


def handler(event: Item, _context: object) -> dict[str, Any]:
    with Registry.from_environment(os.environ) as registry:
        match event.get("action"):
            case "check":
                return check(registry, event["table_id"], event["run_id"])
            case "check_all":
                return check_all(registry, event["items"], event["run_id"])
            case "apply":
                return apply(registry, event["table_id"], event["run_id"], event["proposal"])
    raise BadRequestError(f"action is {event.get('action')!r}; it is check, check_all or apply.")


def check(registry: Registry, table_id: str, run_id: str) -> dict[str, Any]:
    """Compare, and register what the policy takes."""
    settings, structure, comparison = _look(registry, table_id)
    if not comparison.is_allowed(settings.schema_policy):
        return {**_answer(structure["version"], comparison), "needs_approval": True}
    if not comparison.has_new_version:
        return _answer(structure["version"], comparison)
    return _answer(_register(registry, structure, comparison, run_id), comparison)


def check_all(registry: Registry, items: Sequence[Item], run_id: str) -> dict[str, Any]:
    """Check every table of a batch.

    Returns
    -------
    dict
        ``items`` as they came, with the ``schema`` of each as it is now, and ``ready``, the ``table_id`` of
        those that a job can ingest. What needs a person, or cannot be compared, is not ready: it is checked
        again by itself, and its reason told there.
    """
    checked, ready = [], []
    for item in items:
        table_id = item["table"]["table_id"]
        schema = {"is_ready": False, "schema_changes": []}
        try:
            answer = check(registry, table_id, run_id)
        except NOT_COMPARED as error:
            log.info("%s is not ready: %s", table_id, error)
        else:
            if not answer["needs_approval"]:
                schema = {"is_ready": True, "schema_changes": answer["schema_changes"]}
                ready.append(table_id)
        checked.append({**item, "schema": schema})
    return {"items": checked, "ready": ready}


def apply(registry: Registry, table_id: str, run_id: str, proposal: str) -> dict[str, Any]:
    """Register what was approved; nothing if another run has done so already."""
    _, structure, comparison = _look(registry, table_id)
    if not comparison.has_new_version:
        return _answer(structure["version"], comparison)
    if comparison.proposal != proposal:
        raise SourceChangedAgainError(
            f"{table_id}: the source changed again after the approval was asked for: {_text(comparison)}."
        )
    return _answer(_register(registry, structure, comparison, run_id), comparison)


def read_columns(connection: Connection | MySQLSession, query: str) -> list[SourceColumn]:
    """The columns of a source table, in its order; none when there is no such table."""
    return [SourceColumn(name, kind, nullable == "t") for name, kind, nullable in connection.run(query)]


def _look(registry: Registry, table_id: str) -> tuple[JobSettings, Item, Comparison]:
    """Settings, newest structure, and how the source differs from it."""
    item = registry.job_settings.get_item(Key={"table_id": table_id}).get("Item")
    found = registry.table_structures.query(
        KeyConditionExpression=Key("table_id").eq(table_id),
        ScanIndexForward=False,
        Limit=1,
        ConsistentRead=True,
    )["Items"]
    if item is None or not found:
        missing = "job_settings" if item is None else "table_structures"
        raise NotRegisteredError(f"{missing} holds no {table_id}.")
    try:
        settings = JobSettings.from_item(item, f"job_settings item of {table_id}")
    except IngestError as error:
        raise NotRegisteredError(str(error)) from error
    source = registry.source_columns(settings.source_schema, settings.source_table)
    if not source:
        raise SourceTableMissingError(
            f"{table_id}: the source has no table {settings.source_schema}.{settings.source_table}."
        )
    comparison = compare(settings, found[0], source, registry.dialect)
    broken = settings_that_break(settings, found[0], comparison)
    if broken:
        raise SettingsDoNotFitError(
            f"{table_id}: {_text(comparison)}. Its settings need what is gone ({'; '.join(broken)}): "
            "change them first."
        )
    return settings, found[0], comparison


def _register(registry: Registry, structure: Item, comparison: Comparison, run_id: str) -> int:
    """Write the next version, unless there is one by now."""
    version = int(structure["version"]) + 1
    errors = registry.table_structures.meta.client.exceptions
    try:
        registry.table_structures.put_item(
            Item={
                "table_id": structure["table_id"],
                "version": version,
                "columns": [dict(column) for column in comparison.columns],
                "partitions": structure["partitions"],
                "changes": [one.text for one in comparison.differences],
                "registered_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "registered_by": run_id,
            },
            ConditionExpression=Attr("table_id").not_exists(),
        )
    except errors.ConditionalCheckFailedException as error:
        raise RegisteredMeanwhileError(
            f"{structure['table_id']}: version {version} was registered meanwhile."
        ) from error
    return version


def _answer(version: Any, comparison: Comparison) -> dict[str, Any]:
    return {
        "change": comparison.change,
        "version": int(version),
        "needs_approval": False,
        "differences": [{"kind": one.kind, "text": one.text} for one in comparison.differences],
        "schema_changes": [{"S": one.text} for one in comparison.differences],
        "text": _text(comparison),
        "proposal": comparison.proposal,
    }


def _text(comparison: Comparison) -> str:
    return "; ".join(one.text for one in comparison.differences) or "nothing differs"
