"""What a run did to a stack, against what was there before: objects, tables, bookmark, calls, log, plans."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from millpond.client import stream
from millpond.client.aws import Aws
from millpond.client.comparing.datasets import Dataset, Place, datasets
from millpond.client.comparing.plans import Plan, plans
from millpond.client.job_runs import RunStep
from millpond.client.listing import pages
from millpond.client.logs import LogLine

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

# What a run calls besides what is compared as objects, tables and log.
_COMPARED_OTHERWISE = frozenset({"s3", "glue", "sts", "logs", "kms"})
_WARNS = re.compile(r"\b(WARN|WARNING|ERROR|FATAL)\b|\w+Warning:")
# Parameters of tables that are the time or the place of this write, or count its bytes.
_VOLATILE = re.compile(
    r"transient_lastDdlTime|(previous_)?metadata_location|spark\.sql\.create\.version|numFiles|totalSize"
    r"|numRows|rawDataSize|last_modified_time|sizeKey|objectCount|recordCount|averageRecordSize|.*\.uuid"
)


@dataclass(frozen=True)
class Table:
    """What a table of the Data Catalog says of itself after a run.

    Parameters
    ----------
    columns : tuple of (str, str)
        Names and types, those of its partitions last.
    parameters : mapping of str to str
        Without those that each write changes.
    partitions : frozenset of tuple of str
        Values of each.
    """

    columns: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]
    partitions: frozenset[tuple[str, ...]]


@dataclass(frozen=True)
class Before:
    """What there is before a run.

    Parameters
    ----------
    objects : mapping
        ETag and time of each object by its place.
    tables : mapping
        By ``database.table``.
    metadata : mapping of str to str
        Which metadata a table of Iceberg has.
    """

    objects: Mapping[Place, tuple[str, Any]]
    tables: Mapping[str, Table]
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, aws: Aws) -> Before:
        """Look at a stack."""
        raw = dict(_tables(aws.glue))
        return cls(
            dict(_objects(aws.s3)),
            {name: _table(aws.glue, table) for name, table in raw.items()},
            {name: table.get("Parameters", {}).get("metadata_location", "") for name, table in raw.items()},
        )


@dataclass(frozen=True)
class Observed:
    """One run, and what is different behind it.

    Parameters
    ----------
    version : str
        Of Glue.
    state, error : str
        As ``GetJobRun`` says them; the state is ``REFUSED`` where Glue takes no such job.
    seconds : float
        How long it ran.
    warnings : frozenset of str
        Lines of its log that warn, without what names this run.
    plans : tuple of Plan
        Of its queries.
    datasets : mapping
        What it wrote, by the address of the directory, the file or the table.
    removed : frozenset of str
        Addresses of objects that it removed.
    tables : mapping
        Tables of the Data Catalog that it made or changed.
    dropped : frozenset of str
        Those that it dropped.
    bookmark : frozenset of str
        Transformation contexts that it committed.
    calls : mapping of str to int
        How often it called what operations of other services.
    """

    version: str
    state: str
    error: str = ""
    seconds: float = 0.0
    warnings: frozenset[str] = frozenset()
    plans: tuple[Plan, ...] = ()
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    tables: Mapping[str, Table] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    bookmark: frozenset[str] = frozenset()
    calls: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """A run that has ended.

    Parameters
    ----------
    version : str
        Of Glue.
    job, run_id : str
        Which it is.
    step : RunStep
        Its last.
    lines : tuple of LogLine
        Its log.
    """

    version: str
    job: str
    run_id: str
    step: RunStep
    lines: tuple[LogLine, ...]


def observe(aws: Aws, ended: Ended, before: Before, event_log: Place, folder: Path) -> Observed:
    """Look at what a run has left.

    Parameters
    ----------
    aws : Aws
        The stack.
    ended : Ended
        The run.
    before : Before
        What there was.
    event_log : Place
        Where its event log is; nothing there is its output.
    folder : Path
        Where copies of what it wrote may lie until all is compared.
    """
    after = {
        place: at
        for place, at in _objects(aws.s3)
        if not (place[0] == event_log[0] and place[1].startswith(event_log[1]))
    }
    written = [place for place, at in after.items() if before.objects.get(place) != at]
    now = Before.of(aws)
    changed = {
        name: table
        for name, table in now.tables.items()
        if before.tables.get(name) != table or before.metadata.get(name) != now.metadata[name]
    }
    return Observed(
        version=ended.version,
        state=ended.step.state,
        error=ended.step.error_message,
        seconds=ended.step.seconds,
        warnings=frozenset(warnings(line.message for line in ended.lines)),
        plans=plans(_event_log(aws.s3, event_log)),
        datasets=datasets(aws.s3, written, folder),
        removed=frozenset(f"s3://{'/'.join(place)}" for place in before.objects if place not in after),
        tables=changed,
        dropped=frozenset(before.tables) - frozenset(now.tables),
        bookmark=_bookmark(aws.glue, ended.job, ended.run_id),
        calls=_calls(aws, ended.run_id),
    )


def warnings(lines: Iterable[str]) -> Iterator[str]:
    """The lines that warn, with ``…`` for what is different in each run: times, numbers, ids and folders.

    Examples
    --------
    >>> list(warnings(["26/11/30 10:00:01 WARN Utils: 12 of 13 fields", "12 rows"]))
    ['WARN Utils: … of … fields']
    """
    for line in lines:
        if warning := _WARNS.search(line):
            text = line[warning.start() :] if warning[1] else line
            yield re.sub(r"\S*/runs/jr_\w+|0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+(\.\d+)*", "…", text)


def _objects(s3: S3Client) -> Iterator[tuple[Place, tuple[str, Any]]]:
    for bucket in s3.list_buckets()["Buckets"]:
        for entry in pages(s3, "list_objects_v2", "Contents", Bucket=bucket["Name"]):
            yield (bucket["Name"], entry["Key"]), (entry["ETag"], entry["LastModified"])


def _tables(glue: GlueClient) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for database in pages(glue, "get_databases", "DatabaseList"):
        for table in pages(glue, "get_tables", "TableList", DatabaseName=database["Name"]):
            yield f"{database['Name']}.{table['Name']}", table


def _table(glue: GlueClient, table: Mapping[str, Any]) -> Table:
    columns = [*table.get("StorageDescriptor", {}).get("Columns", ()), *table.get("PartitionKeys", ())]
    partitions: Iterable[Mapping[str, Any]] = ()
    if table.get("PartitionKeys"):
        where = {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
        partitions = pages(glue, "get_partitions", "Partitions", **where)
    return Table(
        tuple((column["Name"], column.get("Type", "")) for column in columns),
        {k: v for k, v in table.get("Parameters", {}).items() if not _VOLATILE.fullmatch(k)},
        frozenset(tuple(partition["Values"]) for partition in partitions),
    )


def _bookmark(glue: GlueClient, job: str, run_id: str) -> frozenset[str]:
    try:
        entry = glue.get_job_bookmark(JobName=job, RunId=run_id)["JobBookmarkEntry"]
    except glue.exceptions.EntityNotFoundException:
        return frozenset()
    return frozenset(json.loads(entry.get("JobBookmark") or "{}"))


def _calls(aws: Aws, run_id: str) -> Mapping[str, int]:
    session = f"/GlueJobRunnerSession-{run_id[3:19]}"
    assert aws.endpoint_url is not None
    return Counter(
        f"{record['service']} {record['operation']}"
        for record in stream.records(aws.endpoint_url, is_followed=False)
        if record["kind"] == "call"
        and record["caller"].endswith(session)
        and record["service"] not in _COMPARED_OTHERWISE
    )


def _event_log(s3: S3Client, place: Place) -> Iterator[str]:
    bucket, prefix = place
    for entry in pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix):
        for line in s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].iter_lines():
            yield line.decode()
