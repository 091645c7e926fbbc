"""Which landed files of Spark may become data files of a table as they are."""

from __future__ import annotations

import ingest_lib  # noqa: F401
import pytest
from ingest.iceberg import Field, IcebergTable, PartitionField
from ingest.spark_files import can_copy


@pytest.mark.parametrize(
    ("kind", "transform", "expected"),
    [
        ("string", "identity", True),
        ("long", "truncate[10]", True),
        ("decimal(12,2)", "identity", True),
        ("timestamptz", "day", True),
        ("timestamptz", "bucket[4]", True),
        ("timestamptz", "identity", False),
        ("timestamp", "void", True),
        ("list<string>", "void", False),
    ],
)
def test_files_are_copied_when_iceberg_reads_their_partition_from_text(
    kind: str, transform: str, expected: bool
) -> None:
    fields = (Field(1, "v", kind),)
    partition = (PartitionField("p", "v", transform),)
    table = IcebergTable("lab", "t", "s3://curated/lab/t", 0, fields, partition, None, {})
    assert can_copy(table) is expected
