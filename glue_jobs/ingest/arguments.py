"""The arguments of a job run."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Mapping, Sequence

from ingest.errors import IngestError

_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class JobArguments:
    """What a run is told; everything else comes from DynamoDB.

    Parameters
    ----------
    job_settings_table, table_structures_table, ingest_runs_table : str
        DynamoDB tables.
    raw_bucket, curated_bucket : str
        Where rows are landed, and where the Iceberg tables are.
    secret_id : str
        Secret with the credentials of the source database.
    masking_secret_id : str
        Secret with the masking key; read only for a table that masks a column.
    table_id : str
        ``schema.table`` to ingest.
    run_id : str
        Name of the execution that this run belongs to; it becomes part of an S3 key.
    ingest_date : str
        Day in UTC on which the execution started, so that a retry after midnight finds what was landed.
    dpu : str
        Data processing units that the run takes (workers and driver).
    dpu_hour_usd : str
        What one costs for an hour.
    source_file : str
        S3 URI of a dropped file to ingest instead of the database; empty for none.
    split_partitions : str
        Parallel reads that the plan chose for this run; empty for those of ``job_settings``.
    job_name, job_run_id : str
        Of Glue, which tells them to Spark jobs only; else empty.
    sharing : int
        How many tables the job run ingests, which share what is billed for it at least.
    """

    job_settings_table: str
    table_structures_table: str
    ingest_runs_table: str
    raw_bucket: str
    curated_bucket: str
    secret_id: str
    masking_secret_id: str
    table_id: str
    run_id: str
    ingest_date: str
    dpu: str
    dpu_hour_usd: str
    source_file: str = ""
    split_partitions: str = ""
    job_name: str = ""
    job_run_id: str = ""
    sharing: int = 1

    @classmethod
    def resolve_all(
        cls,
        argv: Sequence[str],
        get_resolved_options: Callable[[Sequence[str], Sequence[str]], Mapping[str, str]],
    ) -> list[JobArguments]:
        """Those of each table of a job run: of ``--table_ids``, a JSON array of texts, or ``--table_id``.

        Raises
        ------
        IngestError
            If ``--table_ids`` is no such array, or as :meth:`resolve` does.
        """
        if not any(word.split("=", 1)[0] == "--table_ids" for word in argv):
            return [cls.resolve(argv, get_resolved_options)]
        names = _names(get_resolved_options(argv, ["table_ids"])["table_ids"])
        # Every table has the same arguments but for its name.
        first = cls.resolve([*argv, "--table_id", names[0]], get_resolved_options)
        return [replace(first, table_id=name, sharing=len(names)) for name in names]

    @classmethod
    def resolve(
        cls,
        argv: Sequence[str],
        get_resolved_options: Callable[[Sequence[str], Sequence[str]], Mapping[str, str]],
    ) -> JobArguments:
        """Read a job's command line with ``getResolvedOptions``, which knows no optional arguments.

        Raises
        ------
        IngestError
            If ``run_id`` cannot be part of an S3 key, or means the item ``CURRENT``; if a date or a number
            is none.
        """
        given = {word.split("=", 1)[0] for word in argv}
        required = [field.name for field in fields(cls) if field.default is MISSING]
        optional = ("source_file", "split_partitions", "JOB_NAME")
        names = required + [name for name in optional if f"--{name}" in given]
        options = get_resolved_options(argv, names)
        needed: dict[str, Any] = {name: options[name] for name in required}
        arguments = cls(
            **needed,
            source_file=options.get("source_file") or "",
            split_partitions=options.get("split_partitions") or "",
            job_name=options.get("JOB_NAME") or "",
            job_run_id=options.get("JOB_RUN_ID") or "",
        )
        if not _RUN_ID.fullmatch(arguments.run_id) or arguments.run_id == "CURRENT":
            raise IngestError(f"The run_id {arguments.run_id!r} is not letters, digits and _ . - only.")
        if not _DATE.fullmatch(arguments.ingest_date):
            raise IngestError(f"The ingest_date {arguments.ingest_date!r} is not a date like 2024-05-31.")
        for name in ("dpu", "dpu_hour_usd"):
            _number(name, getattr(arguments, name))
        if arguments.split_partitions and not arguments.split_partitions.isdecimal():
            raise IngestError(
                f"The argument --split_partitions is {arguments.split_partitions!r}; it is a whole number."
            )
        return arguments


def _names(text: str) -> list[str]:
    """The tables of ``--table_ids``."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise IngestError(f"The argument --table_ids is {text!r}; it is a JSON array of texts.")
    return names


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise IngestError(f"The argument --{name} is {text!r}; it is a number.") from None
