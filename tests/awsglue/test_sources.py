"""Records out of files: their types, their fields, and what cannot be read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from conftest import shown

Put = Callable[[str, str], str]

MESSY = (
    '{"id": 1, "v": "x", "nested": {"a": 1, "list": [1, 2]}, "none": null}\n'
    '{"id": 3000000000, "v": 2, "nested": {"a": "z"}}\n'
    "not json\n"
)


@pytest.fixture
def read(glue: Any, tmp_path: Any) -> Callable[..., Any]:
    def frame_of(form: str, options: dict[str, Any] | None = None, **connection: Any) -> Any:
        return glue.create_dynamic_frame.from_options(
            "s3", {"paths": [str(tmp_path)], **connection}, form, options or {}
        )

    return frame_of


def test_json_fields_of_differing_types_are_choices_and_a_line_that_is_none_is_an_error_record(
    put: Put, read: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    put("a.json", MESSY)
    frame = read("json")
    frame.printSchema()
    assert capsys.readouterr().out == (
        "root\n"
        "|-- id: choice\n|    |-- int\n|    |-- long\n"
        "|-- v: choice\n|    |-- int\n|    |-- string\n"
        "|-- nested: struct\n|    |-- a: choice\n|    |    |-- int\n|    |    |-- string\n"
        "|    |-- list: array\n|    |    |-- element: int\n"
        "|-- none: null\n\n"
    )
    assert shown(frame)[1] == {"id": 3000000000, "v": 2, "nested": {"a": "z", "list": None}, "none": None}
    assert (frame.count(), frame.errorsCount(), frame.stageErrorsCount()) == (2, 1, 1)
    error = shown(frame.errorsAsDynamicFrame())[0]["error"]
    assert error["record"] == "not json"
    assert "Expecting value" in error["msg"]
    types = frame.toDF().dtypes
    assert types[1] == ("v", "struct<int:int,string:string>")


def test_json_without_choices_is_read_in_several_lines_arrays_and_by_path(
    put: Put, read: Callable[..., Any]
) -> None:
    put("a.json", '{"rows": [{"a": 1.5, "when": "2024-01-01"},\n {"a": 2.5, "b": true}]}')
    assert shown(read("json", {"multiLine": True, "jsonPath": "$.rows[*]"})) == [
        {"a": 1.5, "when": "2024-01-01", "b": None},
        {"a": 2.5, "when": None, "b": True},
    ]
    with pytest.raises(NotImplementedError, match="jsonPath"):
        read("json", {"jsonPath": "$..a"}).count()


def test_csv_fields_are_texts_by_the_header_of_each_file(put: Put, read: Callable[..., Any]) -> None:
    put("a.csv", 'id,name\n1,"a,b"\n2,\n')
    put("b.csv", 'id,other\n3,"say ""x"""\n')
    assert sorted(shown(read("csv", {"withHeader": True})), key=lambda one: one["id"]) == [
        {"id": "1", "name": "a,b", "other": None},
        {"id": "2", "name": "", "other": None},
        {"id": "3", "name": None, "other": 'say "x"'},
    ]


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("1|x\n", {"separator": "|"}, [{"col0": "1", "col1": "x"}]),
        ('"1",x\n', {"quoteChar": -1}, [{"col0": '"1"', "col1": "x"}]),
        ("h\n1\n", {"skipFirst": True}, [{"col0": "1"}]),
        ('"a\nb",x\n', {"multiLine": True}, [{"col0": "a\nb", "col1": "x"}]),
    ],
)
def test_csv_options(
    put: Put, read: Callable[..., Any], text: str, options: dict[str, Any], expected: list[Any]
) -> None:
    if not options.get("multiLine"):
        put("a.csv", text)
        assert shown(read("csv", options)) == expected
    else:
        put("a.csv", '"a\nb",x\n')
        assert [next(iter(one.values())) for one in shown(read("csv", options))] == ["a\nb"]


def test_files_are_chosen_by_recurse_and_exclusions_and_none_is_an_empty_frame(
    put: Put, read: Callable[..., Any], tmp_path: Any
) -> None:
    put("a.json", '{"a": 1}')
    put("below/b.json", '{"a": 2}')
    put("_hidden.json", '{"a": 3}')
    put("c.txt", '{"a": 4}')
    only = {"exclusions": json.dumps(["**.txt"])}
    assert [one["a"] for one in shown(read("json", **only))] == [1]
    assert [one["a"] for one in shown(read("json", recurse=True, **only))] == [1, 2]
    empty = read("json", exclusions='["**"]')
    assert (empty.count(), empty.toDF().columns, empty.schema().fields) == (0, [], [])


def test_parquet_is_written_by_partition_keys_and_read_with_them_as_texts(
    glue: Any, frame: Callable[..., Any], tmp_path: Any
) -> None:
    written = frame({"month": "01", "n": 1}, {"month": "12", "n": 2})
    path = str(tmp_path / "out")
    options = {"path": path, "partitionKeys": ["month"]}
    assert glue.write_dynamic_frame.from_options(written, "s3", options, "glueparquet") is written
    glue.write_dynamic_frame.from_options(written, "s3", options, "glueparquet")
    again = glue.create_dynamic_frame.from_options("s3", {"paths": [path]}, "parquet")
    assert sorted((one["month"], one["n"]) for one in shown(again)) == [
        ("01", 1),
        ("01", 1),
        ("12", 2),
        ("12", 2),
    ]
    assert not list(tmp_path.rglob("_SUCCESS"))


@pytest.mark.parametrize(
    ("form", "options", "expected"),
    [
        ("csv", {"separator": ";"}, "a;b\n1;\n"),
        ("csv", {"writeHeader": False}, "1,\n"),
        ("json", {}, '{"a":1}\n'),
    ],
)
def test_what_files_hold_of_a_field_that_is_always_null(
    glue: Any, frame: Callable[..., Any], tmp_path: Any, form: str, options: dict[str, Any], expected: str
) -> None:
    glue.write_dynamic_frame.from_options(
        frame({"a": 1, "b": None}), "s3", {"path": str(tmp_path)}, form, options
    )
    assert "".join(path.read_text() for path in tmp_path.glob("part-*")) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 'a,b,c\n"x, ""y""", z ,1\n,,\n'),
        ({"separator": "|", "quoteChar": -1}, 'a|b|c\nx, "y"| z |1\n||\n'),
        ({"quoteChar": "-1", "writeHeader": False}, 'x, "y", z ,1\n,,\n'),
    ],
)
def test_texts_of_csv_are_quoted_where_they_must_be_or_never(
    glue: Any, frame: Callable[..., Any], tmp_path: Any, options: dict[str, Any], expected: str
) -> None:
    records = frame({"a": 'x, "y"', "b": " z ", "c": 1, "k": "p"}, {"a": "", "b": None, "c": None, "k": "p"})
    connection = {"path": str(tmp_path), "partitionKeys": ["k"]}
    glue.write_dynamic_frame.from_options(records, "s3", connection, "csv", options)
    assert "".join(path.read_text() for path in tmp_path.glob("k=p/part-*")) == expected


def test_orc_is_written_and_read(glue: Any, frame: Callable[..., Any], tmp_path: Any) -> None:
    frame({"a": 1, "b": [{"c": "x"}]}).write("s3", {"path": str(tmp_path)}, "orc")
    again = glue.getSource("s3", paths=[str(tmp_path)])
    again.setFormat("orc")
    assert shown(again.getFrame()) == [{"a": 1, "b": [{"c": "x"}]}]


@pytest.mark.parametrize(
    ("what", "term"),
    [
        (lambda glue: glue.create_dynamic_frame.from_options("s3", {"paths": ["/x"]}, "ion").count(), "ion"),
        (
            lambda glue: glue.create_dynamic_frame.from_options("s3", {"paths": ["/x"]}, "grokLog").count(),
            "grokLog",
        ),
        (lambda glue: glue.create_dynamic_frame.from_options("kinesis"), "connection_type kinesis"),
        (lambda glue: glue.create_dynamic_frame.from_options("mongodb"), "connection_type mongodb"),
        (
            lambda glue: glue.create_dynamic_frame.from_options(
                "marketplace.spark", {"className": "com.example.Source"}
            ).count(),
            "connection_type marketplace.spark: com.example.Source",
        ),
        (lambda glue: glue.start_transaction(True), "governed tables"),
        (lambda glue: glue.commit_transaction("t"), "governed tables"),
        (lambda glue: glue.cancel_transaction("t"), "governed tables"),
    ],
)
def test_what_is_not_here_is_refused_by_name(glue: Any, what: Callable[[Any], Any], term: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{term}.*not available in Millpond"):
        what(glue)


def test_context_is_a_SQLContext(glue: Any, spark: Any) -> None:  # noqa: N802
    from awsglue.context import GlueContext
    from pyspark.sql import SQLContext

    assert isinstance(glue, SQLContext)
    assert (glue._jsc, glue._jvm) == (spark.sparkContext._jsc, spark.sparkContext._jvm)
    assert GlueContext.getOrCreate().spark_session is glue.spark_session
    assert glue.sql("SELECT 1 AS a").collect()[0].a == 1
    assert glue.createDataFrame([(1,)], "a int").count() == 1
    assert not hasattr(glue, "no_such_thing")


def test_sample_has_so_many_records_and_a_data_frame_is_read_likewise(
    glue: Any, put: Put, tmp_path: Any
) -> None:
    put("a.json", '{"a": 1}\n{"a": 2}\n')
    source = ("s3", {"paths": [str(tmp_path)]})
    assert glue.create_sample_dynamic_frame.from_options(*source, 1, format="json").count() == 1
    assert glue.create_data_frame.from_options(*source, "json").count() == 2


def test_collection_is_written_to_places_of_its_names(
    glue: Any, frame: Callable[..., Any], tmp_path: Any
) -> None:
    from awsglue.dynamicframe import DynamicFrameCollection

    frames = DynamicFrameCollection({"x": frame({"a": 1}), "y": frame({"a": 2})}, glue)
    glue.write_from_options(frames, "s3", {"path": str(tmp_path)}, "json")
    written = {path.parent.name: path.read_text() for path in tmp_path.glob("*/part-*")}
    assert written == {"x": '{"a":1}\n', "y": '{"a":2}\n'}
    with pytest.raises(TypeError, match="DynamicFrame"):
        glue.write_from_options(1, "s3", {"path": str(tmp_path)}, "json")


@pytest.mark.parametrize(("form", "options"), [("avro", {}), ("xml", {"rowTag": "r"})])
def test_formats_of_connectors_are_refused_where_their_jars_are_not(
    put: Put, read: Callable[..., Any], form: str, options: dict[str, str]
) -> None:
    """And read where they are: Spark 4 brings the one for XML, a toolchain may bring either."""
    put("a.file", "<all><r><b>1</b></r></all>" if form == "xml" else "no avro")
    try:
        found = shown(read(form, options))
    except NotImplementedError as error:
        assert f"format {form}: the connector" in str(error)  # noqa: PT017
    except Exception as error:  # noqa: BLE001 - Java's, through Spark
        assert "avro" in str(error).lower()  # noqa: PT017
    else:
        assert found == [{"b": 1}]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"boundedFiles": "2"}, [["a", "b"], ["c", "d"], ["e"], []]),
        ({"boundedSize": "25"}, [["a", "b"], ["c", "d"], ["e"], []]),
        ({"boundedSize": 1}, [["a"], ["b"], ["c"]]),
    ],
)
def test_bounded_runs_read_the_oldest_new_files_and_later_runs_the_others(
    spark: Any, put: Put, tmp_path: Any, options: dict[str, Any], expected: list[list[str]]
) -> None:
    from awsglue._sources import s3
    from awsglue.bookmarks import SourceBookmark

    for seconds, name in enumerate("abcde", 1):
        os.utime(put(f"{name}.json", f'{{"n": "{name}"}}\n'), (seconds, seconds))
    state, read = None, []
    for _ in expected:
        bookmark = SourceBookmark(state, is_on=True)
        content = s3.read(spark, {"paths": [str(tmp_path)], **options}, "json", {}, bookmark)
        read.append(sorted(row.n for row in content.df.collect()) if content.schema.fields else [])
        state = bookmark.result
    assert read == expected


def test_connector_is_a_data_source_of_spark_by_its_class(glue: Any, spark: Any, tmp_path: Any) -> None:
    options = {
        "className": "org.apache.spark.sql.json",
        "path": str(tmp_path / "made"),
        "compression": "gzip",
    }
    frame = glue.create_dynamic_frame.from_rdd(spark.sparkContext.parallelize([{"a": 1}]), "records")
    glue.write_dynamic_frame.from_options(frame, "custom.spark", options)
    read = glue.create_dynamic_frame.from_options("custom.spark", {**options, "prefersDecimal": True})
    assert shown(read) == [{"a": 1}]
    with pytest.raises(ValueError, match="className"):
        glue.create_dynamic_frame.from_options("custom.spark", {}).count()
