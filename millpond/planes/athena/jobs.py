"""What the plane hands to a worker, and what comes back: both as JSON files in the worker's directory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

JOB_FILE = "job.json"
OUTCOME_FILE = "outcome.json"
DOORBELL = "doorbell"
ANSWERS = "answers"
"""The pipe that a worker writes to: that it has written down what it wants, or that it has its outcome."""
WANTS, IS_DONE = b"?", b"."
PID_FILE = "pid-file"
WORKER_LOG = "worker.log"
DUCKDB, TRINO = "duckdb", "trino"


@dataclass(frozen=True)
class Job:
    """One query to run.

    Parameters
    ----------
    query_id : str
        ``QueryExecutionId``.
    query : str
        The statement, with its parameters in place.
    database : str
        Database of the query's context; may be empty.
    output_location : str
        The result file.
    results_prefix : str
        Directory of the result file; new tables without a location of their own go below it.
    upload_arguments : dict
        For every object written, such as its encryption.
    account_id, region : str
        Whose catalog and objects it sees.
    scan_limit : int, optional
        Bytes after which the query is cancelled.
    trino_url, trino_user : str
        The Trino server that answers, where it is not to be compiled, and who asks it.
    access_key : str
        Access key id of who asks: a session's or a user's, or the account's number.
    catalogs : list of str
        Further names of the account's catalog, in small letters.
    """

    query_id: str
    query: str
    database: str
    output_location: str
    results_prefix: str
    upload_arguments: dict[str, str]
    account_id: str
    region: str
    scan_limit: int | None = None
    trino_url: str = ""
    trino_user: str = "athena"
    access_key: str = ""
    catalogs: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The access key id that its calls are signed with."""
        return self.access_key or self.account_id

    def write(self, directory: Path) -> None:
        (directory / JOB_FILE).write_text(json.dumps(asdict(self)))

    @classmethod
    def take(cls, directory: Path) -> Job:
        """Read it and remove it: what is still there, nobody has begun."""
        file = directory / JOB_FILE
        job = cls(**json.loads(file.read_text()))
        file.unlink()
        return job

    @staticmethod
    def is_waiting(directory: Path) -> bool:
        """Whether nobody has taken it yet."""
        return (directory / JOB_FILE).exists()


@dataclass(frozen=True)
class Outcome:
    """How a query ended.

    Parameters
    ----------
    state : str
        ``SUCCEEDED``, ``FAILED`` or ``CANCELLED``.
    reason : str
        ``StateChangeReason``.
    is_user_error : bool
        Whether the query is to blame.
    columns : list
        ``ColumnInfo`` of the result.
    scanned_bytes, planning_ms, execution_ms, publishing_ms, rows : int
        Statistics.
    update_count : int
        Rows written by ``INSERT`` and ``CREATE TABLE AS``.
    manifest_location : str
        List of the files that were written.
    engine : str
        Who answered: ``duckdb`` or ``trino``.
    is_for_trino : bool
        Whether it failed only because the compiler does not do it, so that Trino may.
    """

    state: str
    reason: str = ""
    is_user_error: bool = False
    columns: list[dict[str, Any]] = field(default_factory=list)
    scanned_bytes: int = 0
    planning_ms: int = 0
    execution_ms: int = 0
    publishing_ms: int = 0
    rows: int = 0
    output_bytes: int = 0
    update_count: int = 0
    manifest_location: str = ""
    engine: str = DUCKDB
    is_for_trino: bool = False

    def write(self, directory: Path) -> None:
        part = directory / f"{OUTCOME_FILE}.part"
        part.write_text(json.dumps(asdict(self)))
        part.rename(directory / OUTCOME_FILE)

    @classmethod
    def read(cls, directory: Path) -> Outcome | None:
        try:
            return cls(**json.loads((directory / OUTCOME_FILE).read_text()))
        except FileNotFoundError:
            return None
