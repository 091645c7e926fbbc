"""What crawlers make of files and folders, and how they change what is in the catalog already."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.orc as po
import pyarrow.parquet as pq
import pytest
from telemetry_fakes import RecordedTelemetry

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.glue import GlueSettings, serve
from millpond.planes.glue.crawlers import sources
from millpond.planes.glue.crawlers.apply import Applier
from millpond.planes.glue.crawlers.classify import classify
from millpond.planes.glue.crawlers.files import S3File
from millpond.planes.glue.crawlers.grok import grok_pattern
from millpond.planes.glue.crawlers.layout import FoundTable, named_once, tables_of
from millpond.planes.glue.crawlers.schemas import wider
from millpond.planes.glue.crawlers.store import Crawl
from millpond.planes.glue.exceptions import (
    CrawlerNotRunningException,
    EntityNotFoundException,
    InvalidInputException,
    NoScheduleException,
    ValidationException,
)
from millpond.planes.glue.requests import now

TABLE = pa.table(
    {
        "Id": pa.array([1, 2], pa.int32()),
        "price": pa.array([1, 2], pa.decimal128(10, 2)),
        "at": pa.array([0, 1], pa.timestamp("us")),
        "tags": pa.array([[{"k": 1}], []], pa.list_(pa.struct([("K", pa.int64())]))),
    }
)
COLUMNS = [
    ("id", "int"),
    ("price", "decimal(10,2)"),
    ("at", "timestamp"),
    ("tags", "array<struct<k:bigint>>"),
]


def written(write: Any) -> bytes:
    target = io.BytesIO()
    write(TABLE, target)
    return target.getvalue()


class FakeS3:
    """A bucket ``b``."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self.objects = dict(objects)

    def get_object(self, Bucket: str, Key: str, Range: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "b"
        first, last = Range.removeprefix("bytes=").split("-")
        return {"Body": io.BytesIO(self.objects[Key][int(first) : int(last) + 1])}

    def get_paginator(self, _name: str) -> FakeS3:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        assert Bucket == "b"
        found = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        yield {"Contents": [{"Key": key, "Size": len(self.objects[key]), "ETag": key} for key in found]}


def crawl(objects: Mapping[str, bytes], path: str = "s3://b/raw/", **target: Any) -> list[FoundTable]:
    s3 = FakeS3(objects)
    root, folders = sources.folders(s3, {"Path": path, **target}, [], lambda: False)
    tables = tables_of(folders, root)
    named_once(tables, {})
    return tables


@pytest.mark.parametrize(
    ("name", "content", "classification", "columns"),
    [
        ("x.csv", b"id,amount,name\n1,2.5,x\n2,3,y\n", "csv", ["id bigint", "amount double", "name string"]),
        ("x.csv", b"a|b\nc|d\n", "csv", ["col0 string", "col1 string"]),
        ("x.tsv.gz", gzip.compress(b"id\tname\n1\tx\n", mtime=0), "csv", ["id bigint", "name string"]),
        ("x.csv.bz2", bz2.compress(b"id;n\n1;\n2;3\n"), "csv", ["id bigint", "n bigint"]),
        ("x.csv", b'id,name\n1,"a,b"\n', "csv", ["id string", "name string"]),
        (
            "x.json",
            b'{"A": 1, "n": null}\n{"a": 5000000000, "z": [true]}',
            "json",
            ["a bigint", "n string", "z array<boolean>"],
        ),
        ("x.json", b'{\n "a": {"b": 1.5}\n}\n{"a": {"c": "x"}}', "json", ["a struct<b:double,c:string>"]),
        ("x.json", b'[{"a": 1}, {"a": 2}]', "json", ["array array<struct<a:int>>"]),
        ("x.xml", b"<r><row k='1'><a>1</a></row><row><a>x</a></row></r>", "xml", ["a string", "_k bigint"]),
        ("x.parquet", written(pq.write_table), "parquet", [f"{name} {kind}" for name, kind in COLUMNS]),
        ("x.orc", written(po.write_table), "orc", [f"{name} {kind}" for name, kind in COLUMNS]),
        ("x.bin", b"\xff\xfe\x00", "unknown", []),
        ("x.txt", b"just a line\n", "unknown", []),
    ],
)
def test_a_file_is_classified_by_what_is_in_it(
    name: str, content: bytes, classification: str, columns: list[str]
) -> None:
    found = classify(FakeS3({name: content}), S3File("b", name, len(content)))
    assert (found.classification, [f"{column} {kind}" for column, kind in found.columns]) == (
        classification,
        columns,
    )


@pytest.mark.parametrize(
    ("classifier", "content", "expected"),
    [
        (
            {
                "GrokClassifier": {
                    "Classification": "log",
                    "GrokPattern": "%{LOGLEVEL:level} %{NUMBER:n:int} %{ME:me}",
                    "CustomPatterns": "ME m+e",
                }
            },
            b"INFO 1 me\nWARN 2 mme\n",
            ("log", [("level", "string"), ("n", "int"), ("me", "string")]),
        ),
        (
            {"JsonClassifier": {"JsonPath": "$.rows[*]"}},
            b'{"rows": [{"a": 1}, {"b": "x"}]}',
            ("json", [("a", "int"), ("b", "string")]),
        ),
        (
            {"CsvClassifier": {"Delimiter": "^", "ContainsHeader": "ABSENT", "Header": ["A", "B"]}},
            b"1^x\n",
            ("csv", [("a", "bigint"), ("b", "string")]),
        ),
        (
            {"XMLClassifier": {"RowTag": "row", "Classification": "mine"}},
            b"<r><h/><row><a>1</a></row></r>",
            ("mine", [("a", "bigint")]),
        ),
        # What a custom classifier does not know, the built-in ones are asked for.
        ({"JsonClassifier": {"JsonPath": "$"}}, b"id,n\n1,2\n", ("csv", [("id", "bigint"), ("n", "bigint")])),
    ],
)
def test_custom_classifiers_are_asked_first(
    classifier: dict[str, Any], content: bytes, expected: tuple[str, list[tuple[str, str]]]
) -> None:
    found = classify(FakeS3({"x": content}), S3File("b", "x", len(content)), [classifier])
    assert (found.classification, list(found.columns)) == expected


def test_a_pattern_of_grok_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInputException, match="NOPE"):
        grok_pattern("%{NOPE:x}")


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("int", "bigint", "bigint"),
        ("bigint", "double", "double"),
        ("boolean", "int", "string"),
        ("array<int>", "array<double>", "array<double>"),
        ("struct<a:int>", "struct<a:string,b:int>", "struct<a:string,b:int>"),
        ("struct<a:int>", "int", "string"),
    ],
)
def test_types_widen_to_what_holds_both(first: str, second: str, both: str) -> None:
    assert wider(first, second) == both


CSV, OTHER = b"id,v\n1,2\n", b"name|city|n\nx|y|1\n"


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ({"raw/a/day=1/x": CSV, "raw/a/day=2/x": CSV}, {"raw": (["partition_0", "day"], 2)}),
        ({"raw/a/day=1/x": CSV, "raw/b/x": OTHER}, {"a": (["day"], 1), "b": ([], 0)}),
        ({"raw/2024/01/x": CSV, "raw/2024/02/x": CSV}, {"raw": (["partition_0", "partition_1"], 2)}),
        ({"raw/x": CSV, "raw/_tmp/y": CSV, "raw/.z": CSV, "raw/empty/": b""}, {"raw": ([], 0)}),
        ({"raw/A-b/x": CSV, "raw/c/y": OTHER}, {"a_b": ([], 0), "c": ([], 0)}),
        ({"raw/k=a%20b/x": CSV, "raw/k=c/x": CSV}, {"raw": (["k"], 2)}),
    ],
)
def test_folders_whose_files_are_alike_are_partitions_of_one_table(
    objects: dict[str, bytes], expected: dict[str, tuple[list[str], int]]
) -> None:
    assert {one.name: (one.keys, len(one.partitions)) for one in crawl(objects)} == expected


def test_exclusions_and_the_level_of_tables_are_kept_to() -> None:
    objects = {"raw/a/x.csv": CSV, "raw/a/x.bak": OTHER, "raw/b/deep/y.csv": CSV}
    (table,) = crawl(objects, Exclusions=["**.bak", "b/**"])
    assert (table.name, table.objects) == ("raw", 1)
    root, folders = sources.folders(FakeS3(objects), {"Path": "s3://b/raw"}, [], lambda: False)
    assert sorted(one.name for one in tables_of(folders, root, 3)) == ["a", "b"]


@pytest.mark.parametrize(
    ("location", "is_within"),
    [
        ("s3://b/raw/", True),
        ("s3://b/raw", True),
        ("s3://b/raw/a/", True),
        ("s3://b/rawer/", False),
        ("", False),
    ],
)
def test_a_table_is_of_a_target_by_whole_folders(location: str, is_within: bool) -> None:
    for path in ("s3://b/raw", "s3://b/raw/"):
        assert sources.is_within(path, {"StorageDescriptor": {"Location": location}}) is is_within


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Any]:
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path / "state", tools)
    planes = serve(context, RecordedTelemetry(context), GlueSettings(warm_jvms=0))
    plane: Any = planes.of("000000000000", "eu-west-1")
    plane.create_database({"DatabaseInput": {"Name": "db"}})
    yield plane
    planes.close()


def make(plane: Any, name: str = "c", **more: Any) -> dict[str, Any]:
    given = {
        "Name": name,
        "Role": "r",
        "DatabaseName": "db",
        "Targets": {"S3Targets": [{"Path": "s3://b/raw/"}]},
    }
    plane.create_crawler({**given, **more})
    crawler: dict[str, Any] = plane.get_crawler({"Name": name})["Crawler"]
    return crawler


def apply(plane: Any, crawler: dict[str, Any], objects: Mapping[str, bytes]) -> Crawl:
    one = Crawl("id", crawler["Name"], now())
    applier = Applier(plane, crawler, one, one.lines.append)
    tables = crawl(objects)
    for table in tables:
        applier.write(table)
    applier.remove_missing({table.name for table in tables}, lambda _table: True)
    return one


def columns_of(plane: Any, name: str) -> list[str]:
    table = plane.get_table({"DatabaseName": "db", "Name": name})["Table"]
    return [column["Name"] for column in table["StorageDescriptor"]["Columns"]]


def test_a_second_crawl_adds_what_is_new_and_changes_nothing_that_is_the_same(plane: Any) -> None:
    crawler = make(plane)
    objects = {"raw/d=1/x": CSV, "raw/d=2/x": CSV}
    first = apply(plane, crawler, objects)
    assert (first.created, first.partitions) == (1, 2)
    again = apply(plane, crawler, objects)
    assert (again.created, again.updated, again.partitions) == (0, 0, 0)
    third = apply(plane, crawler, {**objects, "raw/d=3/x": b"id,v,w\n1,2,3\n"})
    assert (third.updated, third.partitions) == (1, 1)
    assert columns_of(plane, "raw") == ["id", "v", "w"]
    table = plane.get_table({"DatabaseName": "db", "Name": "raw"})["Table"]
    expected = {
        "classification": "csv",
        "UPDATED_BY_CRAWLER": "c",
        "objectCount": "3",
        "skip.header.line.count": "1",
    }
    assert expected.items() <= table["Parameters"].items()


@pytest.mark.parametrize(
    ("policy", "configuration", "columns"),
    [
        ({"UpdateBehavior": "LOG"}, "", ["id", "v"]),
        ({"UpdateBehavior": "UPDATE_IN_DATABASE"}, "", ["id", "w", "x"]),
        (
            {},
            '{"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}}',
            ["id", "v", "w", "x"],
        ),
    ],
)
def test_a_changed_schema_is_treated_as_the_policy_says(
    policy: dict[str, str], configuration: str, columns: list[str], plane: Any
) -> None:
    crawler = make(plane, SchemaChangePolicy=policy, Configuration=configuration or "{}")
    apply(plane, crawler, {"raw/x": CSV})
    apply(plane, crawler, {"raw/x": b"id,w,x\n1,2,3\n"})
    assert columns_of(plane, "raw") == columns


@pytest.mark.parametrize("behavior", ["LOG", "DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE"])
def test_a_table_that_is_gone_is_treated_as_the_policy_says(behavior: str, plane: Any) -> None:
    crawler = make(plane, SchemaChangePolicy={"DeleteBehavior": behavior})
    apply(plane, crawler, {"raw/a/x": CSV, "raw/b/x": OTHER})
    apply(plane, crawler, {"raw/a/x": CSV, "raw/c/x": OTHER})
    tables = plane.get_tables({"DatabaseName": "db"})["TableList"]
    gone = {one["Name"]: "DEPRECATED_BY_CRAWLER" in one["Parameters"] for one in tables}.get("b")
    assert gone is {"LOG": False, "DEPRECATE_IN_DATABASE": True}.get(behavior)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"Targets": {"HudiTargets": [{"Paths": ["s3://b/x"]}]}}, "HudiTargets are not available"),
        ({"Targets": {"S3Targets": [{"Path": "https://b/x"}]}}, "is not one in S3"),
        ({"Targets": {"S3Targets": [{"Path": "s3://"}]}}, "is not one in S3"),
        ({"Schedule": "rate(5 minutes)"}, "Schedule is not valid"),
        ({"Configuration": "{"}, "not valid JSON"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}}, "can have only LOG"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE is not available"),
    ],
)
def test_a_crawler_that_could_not_crawl_is_refused(more: dict[str, Any], message: str, plane: Any) -> None:
    with pytest.raises(InvalidInputException, match=message):
        make(plane, **more)


def test_schedules_are_started_and_stopped_and_versions_counted(plane: Any) -> None:
    assert make(plane, Schedule="cron(0 1 * * ? *)")["Schedule"]["State"] == "SCHEDULED"
    plane.stop_crawler_schedule({"CrawlerName": "c"})
    assert plane.get_crawler({"Name": "c"})["Crawler"]["Schedule"]["State"] == "NOT_SCHEDULED"
    plane.update_crawler({"Name": "c", "Description": "x"})
    assert plane.get_crawler({"Name": "c"})["Crawler"]["Version"] == 2
    make(plane, "plain")
    with pytest.raises(NoScheduleException):
        plane.start_crawler_schedule({"CrawlerName": "plain"})
    with pytest.raises(CrawlerNotRunningException):
        plane.stop_crawler({"Name": "c"})
    plane.delete_crawler({"Name": "c"})
    with pytest.raises(EntityNotFoundException, match="Crawler c not found"):
        plane.get_crawler({"Name": "c"})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            ("STATE", "LE", "RUNNING"),
            InvalidInputException,
            "Only EQ or NE operator is allowed for field : STATE",
        ),
        (("CRAWL_ID", "x", "1"), ValidationException, "filters.1.member.filterOperator"),
        (("x", "EQ", "1"), ValidationException, "filters.1.member.fieldName"),
        (("CRAWL_ID", "NE", None), InvalidInputException, "FieldValue: null"),
    ],
)
def test_a_filter_of_crawls_that_is_none_is_refused(
    given: tuple[Any, Any, Any], error: type[Exception], message: str, plane: Any
) -> None:
    make(plane)
    one = dict(zip(("FieldName", "FilterOperator", "FieldValue"), given, strict=True))
    with pytest.raises(error, match=message):
        plane.list_crawls({"CrawlerName": "c", "Filters": [one]})
