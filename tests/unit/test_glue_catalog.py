"""The Data Catalog: found by any case, changed by versions, listed by pages and by conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session
from telemetry_fakes import RecordedTelemetry

from millpond.planes.common import constraints
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.glue import GlueSettings, serve
from millpond.planes.glue.catalog import iceberg
from millpond.planes.glue.catalog.expressions import NULL, compile_expression
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ConcurrentModificationException,
    EntityNotFoundException,
    InvalidInputException,
    InvalidStateException,
)

KEYS = [{"Name": "n", "Type": "int"}, {"Name": "s", "Type": "string"}, {"Name": "d", "Type": "date"}]
SALES = {"DatabaseName": "Shop", "TableName": "SALES"}


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Any]:
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path / "state", tools)
    planes = serve(context, RecordedTelemetry(context), GlueSettings(warm_jvms=0))
    plane: Any = planes.of("000000000000", "eu-west-1")
    plane.create_database({"DatabaseInput": {"Name": "Shop"}})
    plane.create_table(
        {
            "DatabaseName": "shop",
            "TableInput": {"Name": "Sales", "PartitionKeys": KEYS, "Parameters": {"a": "b"}},
        }
    )
    yield plane
    planes.close()


def fill(plane: Any, numbers: range) -> None:
    given = [{"Values": [str(n), f"k{n}", f"2024-01-{n:02d}"]} for n in numbers]
    assert plane.batch_create_partition({**SALES, "PartitionInputList": given}) == {"Errors": []}


def test_names_are_folded_to_lower_case_and_found_by_any(plane: Any) -> None:
    table = plane.get_table({"DatabaseName": "SHOP", "Name": "sALES"})["Table"]
    assert (table["DatabaseName"], table["Name"], table["VersionId"]) == ("shop", "sales", "0")
    with pytest.raises(AlreadyExistsException):
        plane.create_database({"DatabaseInput": {"Name": "SHOP"}})
    plane.delete_table({"DatabaseName": "Shop", "Name": "SALES"})
    with pytest.raises(EntityNotFoundException, match="Table Sales not found"):
        plane.get_table({"DatabaseName": "shop", "Name": "Sales"})


def test_versions_are_archived_unless_skipped_and_stale_updates_refused(plane: Any) -> None:
    def update(**more: Any) -> None:
        plane.update_table(
            {"DatabaseName": "shop", "TableInput": {"Name": "sales", "PartitionKeys": KEYS}, **more}
        )

    update(VersionId="0")
    update(SkipArchive=True)
    update()
    listed = plane.get_table_versions({**SALES, "MaxResults": 2})
    assert [one["VersionId"] for one in listed["TableVersions"]] == ["3", "2"]
    listed = plane.get_table_versions({**SALES, "NextToken": listed["NextToken"]})
    assert [one["VersionId"] for one in listed["TableVersions"]] == ["0"]
    with pytest.raises(ConcurrentModificationException):
        update(VersionId="2")
    errors = plane.batch_delete_table_version({**SALES, "VersionIds": ["0", "1", "3"]})["Errors"]
    assert [(one["VersionId"], one["ErrorDetail"]["ErrorCode"]) for one in errors] == [
        ("1", "EntityNotFoundException"),
        ("3", "InvalidInputException"),
    ]


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("", [2, 9, 10, 20]),
        (" ", [2, 9, 10, 20]),
        ("n > 9", [10, 20]),
        ("9 < n", [10, 20]),
        ("s = 'k9' OR n BETWEEN 15 AND 25", [9, 20]),
        ("n NOT BETWEEN 3 AND 15", [2, 20]),
        ("s IN ('k2','k10') AND NOT n = 2", [10]),
        ("not (s not in ('k2') or n <> 2)", [2]),
        ("s LIKE 'k1%'", [10]),
        ("s not like 'k_'", [10, 20]),
        ("d >= '2024-01-10' and d < DATE '2024-01-20'", [10]),
        ("(n<>2) and (`s`!='k9')", [10, 20]),
        ("S IS NULL", []),
        ("N is not null", [2, 9, 10, 20]),
        ("(n) = ((2)) (OR) (((n))) = ('20')", [2, 20]),
    ],
)
def test_an_expression_is_decided_by_the_types_of_the_keys(
    expression: str, numbers: list[int], plane: Any
) -> None:
    for numbered in (range(2, 3), range(9, 11), range(20, 21)):
        fill(plane, numbered)
    listed = plane.get_partitions({**SALES, "Expression": expression})["Partitions"]
    assert [int(one["Values"][0]) for one in listed] == numbers


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("nope = 1", "Invalid partition expression!"),
        ("n >", "Unsupported expression"),
        ("n = 'x'", '"x" is not an integer'),
        ("n in (2.5)", "is not an integer"),
        ("d = '2024-02-32'", "is not a date"),
        ("n LIKE '2'", "Integral data type doesn't support operation 'LIKE'"),
        ("upper(s) = 'K'", "Invalid partition expression!"),
        ("f = 1", "Unknown type : 'float'"),
    ],
)
def test_an_expression_that_is_none_is_refused(expression: str, error: str) -> None:
    with pytest.raises(InvalidInputException, match=error):
        compile_expression(expression, [*KEYS, {"Name": "f", "Type": "float"}])


def test_null_is_neither_equal_nor_unequal_and_a_value_of_another_type_is_a_state() -> None:
    null = (NULL, "a", "2024-01-01")
    assert not compile_expression("n = 1", KEYS)(null)
    assert not compile_expression("NOT n = 1", KEYS)(null)
    assert compile_expression("n IS NULL AND (n = 1 OR s = 'a')", KEYS)(null)
    with pytest.raises(InvalidStateException, match='"x" is not an integer'):
        compile_expression("n = 1", KEYS)(("x", "a", "2024-01-01"))


def test_segments_are_disjoint_and_complete_and_pages_have_their_length(plane: Any) -> None:
    fill(plane, range(1, 29))
    parts = [
        plane.get_partitions({**SALES, "Segment": {"SegmentNumber": n, "TotalSegments": 5}})["Partitions"]
        for n in range(5)
    ]
    values = [one["Values"][0] for part in parts for one in part]
    assert len(values) == len(set(values)) == 28
    assert max(len(part) for part in parts) < 28
    page = plane.get_partitions({**SALES, "MaxResults": 20})
    rest = plane.get_partitions({**SALES, "MaxResults": 20, "NextToken": page["NextToken"]})
    assert (len(page["Partitions"]), len(rest["Partitions"]), "NextToken" in rest) == (20, 8, False)


def test_a_partition_has_as_many_values_as_the_table_has_keys(plane: Any) -> None:
    with pytest.raises(InvalidInputException, match="number of partition keys do not match"):
        plane.create_partition({**SALES, "PartitionInput": {"Values": ["1"]}})
    answer = plane.batch_create_partition({**SALES, "PartitionInputList": [{"Values": ["1"]}]})
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "InvalidInputException"


def test_statistics_are_kept_for_each_column_and_deleting_none_is_no_error(plane: Any) -> None:
    fill(plane, range(1, 2))
    values = {"PartitionValues": ["1", "k1", "2024-01-01"]}
    given = {"ColumnName": "Amount", "ColumnType": "int", "StatisticsData": {"Type": "LONG"}}
    for kind, more in (("table", {}), ("partition", values)):
        asked = {**SALES, **more}
        getattr(plane, f"update_column_statistics_for_{kind}")({**asked, "ColumnStatisticsList": [given]})
        get = getattr(plane, f"get_column_statistics_for_{kind}")
        answer = get({**asked, "ColumnNames": ["amount", "x"]})
        assert [one["ColumnName"] for one in answer["ColumnStatisticsList"]] == ["Amount"]
        assert [one["ColumnName"] for one in answer["Errors"]] == ["x"]
        for _ in range(2):
            getattr(plane, f"delete_column_statistics_for_{kind}")({**asked, "ColumnName": "amount"})
        assert get({**asked, "ColumnNames": ["amount"]})["ColumnStatisticsList"] == []


def test_indexes_functions_policies_and_searches_answer_what_was_made(plane: Any) -> None:
    plane.create_partition_index({**SALES, "PartitionIndex": {"IndexName": "i", "Keys": ["N"]}})
    (index,) = plane.get_partition_indexes(SALES)["PartitionIndexDescriptorList"]
    assert (index["Keys"], index["IndexStatus"]) == ([{"Name": "n", "Type": "int"}], "ACTIVE")
    plane.create_user_defined_function(
        {"DatabaseName": "shop", "FunctionInput": {"FunctionName": "Twice", "ClassName": "x.Twice"}}
    )
    (function,) = plane.get_user_defined_functions({"Pattern": "tw*"})["UserDefinedFunctions"]
    assert function["FunctionName"] == "twice"
    hashed = plane.put_resource_policy({"PolicyInJson": "{}"})["PolicyHash"]
    assert plane.get_resource_policy({})["PolicyHash"] == hashed
    found = plane.search_tables({"SearchText": "sal", "Filters": [{"Key": "a", "Value": "b"}]})
    assert [one["Name"] for one in found["TableList"]] == ["sales"]
    assert plane.search_tables({"SearchText": "nothing"})["TableList"] == []


class RecordedS3:
    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        self.bodies[f"s3://{Bucket}/{Key}"] = Body


def test_an_open_table_has_metadata_that_iceberg_reads() -> None:
    s3 = RecordedS3()
    columns = [
        {"Name": "id", "Type": "bigint"},
        {"Name": "price", "Type": "decimal(10,2)"},
        {"Name": "tags", "Type": "array<struct<k:string,v:map<string,int>>>"},
    ]
    storage = {"Columns": columns, "Location": "s3://b/t/"}
    given = iceberg.new_table(
        s3, "t", {"Name": "t", "StorageDescriptor": storage}, {"MetadataOperation": "CREATE", "Version": "2"}
    )
    assert given["Parameters"]["table_type"] == "ICEBERG"
    metadata = json.loads(s3.bodies[given["Parameters"]["metadata_location"]])
    fields = metadata["schemas"][0]["fields"]
    assert [(one["name"], one["type"]) for one in fields[:2]] == [("id", "long"), ("price", "decimal(10, 2)")]
    assert fields[2]["type"]["element"]["fields"][1]["type"]["type"] == "map"
    with pytest.raises(InvalidInputException, match="location in S3"):
        iceberg.new_table(s3, "t", {"Name": "t"}, {"MetadataOperation": "CREATE"})


def test_requests_are_held_against_the_model_in_awss_words() -> None:
    found = constraints.problems(
        "glue", "GetPartitions", {"DatabaseName": "", "TableName": "t", "MaxResults": 0}
    )
    must = "failed to satisfy constraint: Member must have"
    assert constraints.message(found) == (
        f"2 validation errors detected: Value '' at 'databaseName' {must} length greater than or equal to 1; "
        f"Value '0' at 'maxResults' {must} value greater than or equal to 1"
    )


def test_every_pattern_of_the_model_is_one_of_python() -> None:
    model = Session().get_service_model("glue")
    for name in model.shape_names:
        if pattern := model.shape_for(name).metadata.get("pattern"):
            constraints._pattern(pattern)
