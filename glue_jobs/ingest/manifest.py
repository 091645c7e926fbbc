"""What a run landed in raw: the files, and the manifest that says they are all there.

``s3://RAW/DATABASE/TABLE/ingest_date=DATE/run_id=RUN_ID[.attempt-N]/`` holds ``part-*.parquet`` (rows),
``deletes/delete-*.parquet`` (keys of rows that are gone) and ``quarantine/quarantine-*.parquet``. A
directory without ``_manifest.json`` is not landed: its run died, and nobody reads it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Tuple

from ingest import layout
from ingest.errors import IngestError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FORMAT_VERSION = 1
FILE_NAME = "_manifest.json"


@dataclass(frozen=True)
class RawFile:
    """A Parquet file in raw.

    Parameters
    ----------
    path : str
        S3 URI.
    rows, bytes : int
        What it holds, and its size.
    partition : mapping of str to value
        Iceberg partition field name to the value that all its rows share: a number, a text, a boolean or
        null; a date in days and a timestamp in microseconds since 1970-01-01, a decimal as text.
    """

    path: str
    rows: int
    bytes: int
    partition: Mapping[str, Any]


@dataclass(frozen=True)
class LandedFiles:
    """The files of one landing; each source row is in exactly one of the three.

    Parameters
    ----------
    data : tuple of RawFile
        Rows with the columns and field ids of the curated table.
    deletes : tuple of RawFile
        Key columns of the rows that are gone from the source.
    quarantine : tuple of RawFile
        Rows of ``operations.quarantine``.
    """

    data: Tuple[RawFile, ...] = ()
    deletes: Tuple[RawFile, ...] = ()
    quarantine: Tuple[RawFile, ...] = ()

    @property
    def rows_landed(self) -> int:
        return sum(file.rows for file in self.data)

    @property
    def rows_deleted(self) -> int:
        return sum(file.rows for file in self.deletes)

    @property
    def rows_quarantined(self) -> int:
        return sum(file.rows for file in self.quarantine)

    @property
    def rows_read(self) -> int:
        return self.rows_landed + self.rows_deleted + self.rows_quarantined

    @property
    def bytes(self) -> int:
        return sum(file.bytes for file in (*self.data, *self.deletes, *self.quarantine))


@dataclass(frozen=True)
class Manifest:
    """What was landed and what it is good for.

    Parameters
    ----------
    table_id, run_id : str
    engine : str
        Who landed it. Spark's files have no ids for the elements of lists, and names that repeat among
        partitions: only Spark applies them.
    structure_version : int
    load_mode : str
        What was read: ``full``, ``full_diff``, ``incremental``, ``append``, ``change_table`` or ``file``.
    action : {"overwrite", "diff", "upsert", "append"}
        What it does to the curated table; see :class:`ingest.engines.Change`.
    base_snapshot_id : int or None
        The snapshot of the curated table that the run started from. Once rows have changed since, the
        manifest is stale: its rows may be older than the table's.
    watermark_from, watermark_to : str or None
    read_at : str
        When the source was read, ISO 8601 in UTC.
    location : str
        Its directory.
    files : LandedFiles
    source_file : str or None
        The dropped file, and which object of that name it was.
    """

    table_id: str
    run_id: str
    engine: str
    structure_version: int
    load_mode: str
    action: str
    base_snapshot_id: int | None
    watermark_from: str | None
    watermark_to: str | None
    read_at: str
    location: str
    files: LandedFiles = LandedFiles()
    source_file: str | None = None

    def to_json(self) -> str:
        """The text of ``_manifest.json``."""
        content = asdict(self)
        files = content.pop("files")
        return json.dumps(
            {
                "format_version": FORMAT_VERSION,
                **content,
                "files": files["data"],
                "deletes": files["deletes"],
                "quarantine": files["quarantine"],
                "rows_read": self.files.rows_read,
                "rows_landed": self.files.rows_landed,
                "rows_quarantined": self.files.rows_quarantined,
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read ``_manifest.json``.

        Raises
        ------
        IngestError
            If it has another format.
        """
        content = json.loads(text)
        if content["format_version"] != FORMAT_VERSION:
            raise IngestError(f"A manifest has the format version {content['format_version']}.")
        files = LandedFiles(
            *(tuple(RawFile(**file) for file in content[key]) for key in ("files", "deletes", "quarantine"))
        )
        names = set(cls.__dataclass_fields__) - {"files"}
        return cls(files=files, **{name: content[name] for name in names if name in content})


def find_manifests(s3: S3Client, attempts: str) -> Iterator[Manifest]:
    """The manifests of a run, the latest attempt first.

    Parameters
    ----------
    s3 : boto3 client
    attempts : str
        Location of the first attempt; see :func:`ingest.layout.raw_location`.
    """
    for location in reversed(layout.list_attempts(s3, attempts)):
        manifest = read_manifest(s3, location)
        if manifest is not None:
            yield manifest


def read_manifest(s3: S3Client, location: str) -> Manifest | None:
    """The manifest of a directory; None where nothing has landed."""
    bucket, key = layout.split_location(location)
    try:
        body = s3.get_object(Bucket=bucket, Key=key + FILE_NAME)["Body"]
    except s3.exceptions.NoSuchKey:
        return None
    return Manifest.from_json(body.read().decode())


def write_manifest(s3: S3Client, manifest: Manifest) -> None:
    """Say that everything has landed; a manifest is never replaced (``If-None-Match`` of PutObject).

    When an answer was lost, the client's second try finds what the first one wrote: that is no conflict.
    """
    bucket, key = layout.split_location(manifest.location)
    body = manifest.to_json().encode()
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key + FILE_NAME,
            Body=body,
            ContentType="application/json",
            IfNoneMatch="*",
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
        if s3.get_object(Bucket=bucket, Key=key + FILE_NAME)["Body"].read() != body:
            raise
