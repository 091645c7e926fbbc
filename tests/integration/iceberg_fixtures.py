"""Iceberg tables in the lake of a test, and the delete files that pyiceberg does not write."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from athena_fixtures import BUCKET, Lake
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.typedef import Record

from millpond.base.config import Settings
from millpond.planes.athena.iceberg.commit import FileChange, commit_files

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient


def iceberg_catalog(lake: Lake) -> GlueCatalog:
    """Pyiceberg's own catalog and file access."""
    return catalog_of(lake.settings, lake.glue)


def catalog_of(settings: Settings, glue: GlueClient) -> GlueCatalog:
    """The same of any stack."""
    keys = {
        "region": settings.region,
        "access-key-id": "test",
        "secret-access-key": "test",
    }
    properties = {f"{service}.{key}": value for service in ("glue", "s3") for key, value in keys.items()}
    return GlueCatalog("test", client=glue, **properties, **{"s3.endpoint": settings.endpoint_url})


def add_position_delete(lake: Lake, table: Table, positions: Sequence[int]) -> None:
    """Delete rows of a table's one data file, in a file that could hold those of others too."""
    (task,) = table.scan().plan_files()
    columns = {
        "file_path": (pa.array([task.file.file_path] * len(positions)), 2147483546),
        "pos": (pa.array(positions, pa.int64()), 2147483545),
    }
    _add(lake, table, columns, DataFileContent.POSITION_DELETES, None)


def add_equality_delete(lake: Lake, table: Table, values: Mapping[str, Sequence[Any]]) -> None:
    """Delete the rows that have these values."""
    fields = [table.schema().find_field(name) for name in values]
    types = table.schema().as_arrow()
    columns = {
        field.name: (pa.array(values[field.name], types.field(field.name).type), field.field_id)
        for field in fields
    }
    _add(lake, table, columns, DataFileContent.EQUALITY_DELETES, [field.field_id for field in fields])


def _add(
    lake: Lake,
    table: Table,
    columns: Mapping[str, tuple[pa.Array, int]],
    content: DataFileContent,
    equality_ids: list[int] | None,
) -> None:
    schema = pa.schema(
        [
            pa.field(name, array.type, metadata={"PARQUET:field_id": str(number)})
            for name, (array, number) in columns.items()
        ]
    )
    rows = pa.table([array for array, _ in columns.values()], schema=schema)
    sequence = table.last_sequence_number
    key = f"warehouse/{table.name()[-1]}/data/deletes-{sequence}.parquet"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "deletes.parquet"
        pq.write_table(rows, path)
        size = path.stat().st_size
        lake.upload(path, key)
    file = DataFile.from_args(
        content=content,
        file_path=f"s3://{BUCKET}/{key}",
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=rows.num_rows,
        file_size_in_bytes=size,
        equality_ids=equality_ids,
    )
    file.spec_id = table.spec().spec_id
    commit_files(table, Operation.DELETE, FileChange(added=[file]))
