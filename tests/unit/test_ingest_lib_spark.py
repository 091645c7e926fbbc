"""How the Spark engine reads, and which landed files may become data files of a table as they are."""

from __future__ import annotations

import pytest
from ingest.fetching import fetching
from ingest.iceberg import Field, IcebergTable, PartitionField
from ingest.spark_files import can_copy


@pytest.mark.parametrize(
    ("fetch_size", "tasks", "first", "share"),
    [(10_000, 2, "10", "10p"), (10_000, 4, "10", "5p"), (5, 1, "5", "20p"), (10_000, 40, "10", "4p")],
)
def test_fetches_begin_small_grow_to_the_fetch_size_and_share_the_heap(
    fetch_size: int, tasks: int, first: str, share: str
) -> None:
    found = fetching(fetch_size, tasks)
    assert (found["fetchsize"], found["adaptiveFetchMaximum"]) == (first, str(fetch_size))
    assert (found["adaptiveFetch"], found["maxResultBuffer"]) == ("true", share)


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
