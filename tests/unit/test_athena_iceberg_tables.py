"""Iceberg's rules without a server: conditions, transforms, properties, and which files a delete hits."""

from __future__ import annotations

from typing import Any

import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus
from pyiceberg.typedef import Record

from millpond.planes.athena import statements as st
from millpond.planes.athena.conditions import comparisons
from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.iceberg import properties
from millpond.planes.athena.iceberg.maintenance import _unneeded_deletes, _worth_rewriting
from millpond.planes.athena.iceberg.plan import PATH_FIELD, PlannedFile, _planned
from millpond.planes.athena.iceberg.properties import Properties
from millpond.planes.athena.iceberg.schemas import from_sql, new_schema, partition_name, to_hive, to_sql
from millpond.planes.athena.iceberg.transforms import new_spec, partition_value
from millpond.planes.athena.sql import parse_query
from millpond.planes.athena.types import from_hive


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a = 1", [("=", "a", ["1"])]),
        (
            "1 < a AND b <= DATE '2024-01-01'",
            [(">", "a", ["1"]), ("<=", "b", ["CAST('2024-01-01' AS DATE)"])],
        ),
        ("(a BETWEEN -1 AND 2)", [(">=", "a", ["-1"]), ("<=", "a", ["2"])]),
        ("a IN (1, 2)", [("in", "a", ["1", "2"])]),
        ("a IS NULL AND b IS NOT NULL", [("is null", "a", []), ("is not null", "b", [])]),
        ("a = 1 OR b = 2", []),
        ("NOT a = 1", []),
        ("a NOT IN (1)", []),
        ("a + 1 = 2", []),
        ("a = b", []),
        ("a = random()", []),
        ("a = NULL", []),
    ],
)
def test_a_condition_says_of_a_column_only_what_is_true_of_every_row(
    condition: str, expected: list[tuple[str, str, list[str]]]
) -> None:
    node = parse_query(f"SELECT 1 FROM t WHERE {condition}").args["where"].this
    found = [
        (o, column.name, [c.sql("trino") for c in constants]) for o, column, constants in comparisons(node)
    ]
    assert found == expected


def _schema() -> Any:
    types = {"id": "bigint", "name": "string", "at": "timestamp", "price": "decimal(9,2)", "day": "date"}
    return new_schema([(name, from_hive(text), "") for name, text in types.items()])


@pytest.mark.parametrize(
    ("written", "transform", "name", "shown"),
    [
        ("day", "identity", "day", "`day`"),
        ("month(at)", "month", "at_month", "month(`at`)"),
        ("hour(`at`)", "hour", "at_hour", "hour(`at`)"),
        ("bucket(16, id)", "bucket[16]", "id_bucket", "bucket(16, `id`)"),
        ("bucket(id, 16)", "bucket[16]", "id_bucket", "bucket(16, `id`)"),
        ("TRUNCATE(3, name)", "truncate[3]", "name_trunc", "truncate(3, `name`)"),
    ],
)
def test_a_partition_is_read_as_ddl_and_as_ctas_write_it(
    written: str, transform: str, name: str, shown: str
) -> None:
    schema = _schema()
    (field,) = new_spec([written], schema).fields
    assert (str(field.transform), field.name, partition_name(field, schema)) == (transform, name, shown)


@pytest.mark.parametrize("written", ["month(id)", "decade(at)", "bucket(id)", "nothing", "hour(day)"])
def test_a_partition_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(QueryFailed):
        new_spec([written], _schema())


def test_a_bucket_is_the_one_of_the_specification() -> None:
    schema = _schema()
    (field,) = new_spec(["bucket(100, id)"], schema).fields
    # The specification's appendix B: the hash of the long 34 is 2017239379.
    assert partition_value(field, schema.find_field("id"), 34) == 2017239379 % 100
    assert partition_value(field, schema.find_field("id"), None) is None


def test_types_go_to_iceberg_and_back() -> None:
    for text in ("int", "bigint", "decimal(38,10)", "array<struct<a:int,b:map<string,double>>>", "binary"):
        iceberg = from_sql(from_hive(text))
        assert to_hive(iceberg) == text
        assert to_sql(iceberg) == from_hive(text)
    assert to_sql(from_sql(from_hive("timestamp"))).precision == 6
    with pytest.raises(ValueError, match=r"char\(3\)"):
        from_sql(from_hive("char(3)"))


def test_properties_are_athenas_or_refused() -> None:
    properties.check({"write_compression": "zstd", "vacuum_max_snapshot_age_seconds": "60"})
    for given in ({"a": "b"}, {"vacuum_max_snapshot_age_seconds": "x"}, {"format": "orc"}):
        with pytest.raises(QueryFailed):
            properties.check(given)
    assert Properties({"write_target_data_file_size_bytes": "1000"}).smallest_file == 750


def _file(
    path: str, content: DataFileContent = DataFileContent.DATA, size: int = 10, **more: Any
) -> DataFile:
    file = DataFile.from_args(
        content=content,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(more.pop("partition", 1)),
        record_count=10,
        file_size_in_bytes=size,
        **more,
    )
    file.spec_id = 0
    return file


def _entry(file: DataFile, sequence: int) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED, snapshot_id=1, sequence_number=sequence, data_file=file
    )


def test_deletes_apply_by_partition_by_path_and_by_age() -> None:
    position, equality = DataFileContent.POSITION_DELETES, DataFileContent.EQUALITY_DELETES
    only = {"lower_bounds": {PATH_FIELD: b"data"}, "upper_bounds": {PATH_FIELD: b"data"}}
    other = {"lower_bounds": {PATH_FIELD: b"other"}, "upper_bounds": {PATH_FIELD: b"other"}}
    deletes = [
        _entry(_file("own", position, **only), 5),
        _entry(_file("same age", position), 5),
        _entry(_file("too old", position), 4),
        _entry(_file("elsewhere", position, partition=2), 9),
        _entry(_file("of another", position, **other), 9),
        _entry(_file("values", equality, equality_ids=[1]), 6),
        _entry(_file("values of the same age", equality, equality_ids=[1]), 5),
        _entry(_file("values elsewhere", equality, equality_ids=[1], partition=2), 9),
    ]
    planned = _planned(_entry(_file("data"), 5), deletes, {0: True})
    assert [d.file_path for d in planned.own_deletes] == ["own"]
    assert [d.file_path for d in planned.shared_deletes] == ["same age"]
    assert [d.file_path for d in planned.equality_deletes] == ["values"]
    everywhere = _planned(_entry(_file("data"), 5), deletes, {0: False})
    assert {d.file_path for d in everywhere.equality_deletes} == {"values", "values elsewhere"}


def test_small_files_are_rewritten_when_there_are_enough_and_deleted_rows_always() -> None:
    sizes = {"write_target_data_file_size_bytes": "100", "optimize_rewrite_data_file_threshold": "3"}
    shared = frozenset({_file("d1", DataFileContent.POSITION_DELETES), _file("d2")})

    def planned(
        name: str, size: int, deletes: frozenset[DataFile] = frozenset(), part: int = 1
    ) -> PlannedFile:
        return PlannedFile(
            _entry(_file(name, size=size, partition=part), 1), frozenset(), deletes, frozenset()
        )

    files = [planned("a", 10), planned("b", 10), planned("right", 100), planned("c", 10, part=2)]
    assert _worth_rewriting(files, Properties(sizes)) == []
    more = [*files, planned("huge", 999)]
    assert {f.path for f in _worth_rewriting(more, Properties(sizes))} == {"a", "b", "huge"}
    deleted = planned("right too", 100, shared)
    chosen = _worth_rewriting([*files, deleted], Properties(sizes))
    assert {f.path for f in chosen} == {"a", "b", "right too"}
    assert {d.file_path for d in _unneeded_deletes([*files, deleted], [deleted])} == {"d1", "d2"}
    assert _unneeded_deletes([*files, deleted, planned("stays", 1, shared)], [deleted]) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DELETE FROM t WHERE a = 1;", "DELETE"),
        ("update t set a = 1", "UPDATE"),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "MERGE"),
        ("OPTIMIZE db.t REWRITE DATA USING BIN_PACK WHERE a = 1", "OPTIMIZE"),
        ("VACUUM t", "VACUUM"),
    ],
)
def test_statements_on_rows_are_dml(text: str, kind: str) -> None:
    statement = st.parse_statement(text)
    assert (statement.kind, statement.statement_type) == (kind, "DML")


def test_create_table_keeps_its_partitions_as_written() -> None:
    statement = st.parse_statement(
        "CREATE TABLE t (a bigint COMMENT 'x', b array<int>) PARTITIONED BY (a, bucket(4, a), day(`b`)) "
        "LOCATION 's3://b/t/' TBLPROPERTIES ('table_type'='ICEBERG')"
    )
    assert isinstance(statement, st.CreateTable)
    assert not statement.is_external
    assert statement.partitions == ("a", "bucket(4, a)", "day(`b`)")
