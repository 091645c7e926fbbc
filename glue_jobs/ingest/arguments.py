"""The arguments of a job run."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Mapping

from ingest.errors import IngestError

_RUN_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")


@dataclass(frozen=True)
class JobArguments:
    """What a run is told; everything else comes from DynamoDB.

    Parameters
    ----------
    job_settings_table, table_structures_table, ingest_runs_table : str
        DynamoDB tables.
    lake_bucket : str
        Bucket that the tables are landed in.
    secret_id : str
        Secret with the credentials of the source database.
    table_id : str
        ``schema.table`` to ingest.
    run_id : str
        Name of the execution that this run belongs to; it becomes part of an S3 key.
    """

    job_settings_table: str
    table_structures_table: str
    ingest_runs_table: str
    lake_bucket: str
    secret_id: str
    table_id: str
    run_id: str

    @classmethod
    def names(cls) -> list[str]:
        """The names to ask ``getResolvedOptions`` for."""
        return [field.name for field in fields(cls)]

    @classmethod
    def from_options(cls, options: Mapping[str, str]) -> JobArguments:
        """Take the arguments out of what ``getResolvedOptions`` returned.

        Raises
        ------
        IngestError
            If ``run_id`` cannot be part of an S3 key, or means the item ``CURRENT``.
        """
        arguments = cls(**{name: options[name] for name in cls.names()})
        if not _RUN_ID.fullmatch(arguments.run_id) or arguments.run_id == "CURRENT":
            raise IngestError(f"The run_id {arguments.run_id!r} is not letters, digits and _ . - only.")
        return arguments
