"""Versions of schemas are compatible with one another as the schema's mode says, or a FAILURE."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.glue.exceptions import EntityNotFoundException, InvalidInputException
from millpond.planes.glue.schemas import SchemaRegistry
from millpond.planes.glue.schemas.compatibility import parse, problems
from millpond.planes.glue.tags import Tags


@pytest.fixture
def registry(tmp_path: Path) -> SchemaRegistry:
    tools = Tools(tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, tmp_path, {})
    context = PlaneContext("http://127.0.0.1:9", "eu-west-1", "0" * 12, tmp_path, tools)
    return SchemaRegistry(context, Tags(context))


def record(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "r", "fields": list(fields)})


def avro(name: str, kind: Any = "int", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


A, B = avro("a"), avro("b")
B_DEFAULT = avro("b", default=0)
ENUM = {"type": "enum", "name": "e", "symbols": ["x", "y"]}


@pytest.mark.parametrize(
    ("data_format", "reader", "writer", "is_read"),
    [
        ("AVRO", record(A, B_DEFAULT), record(A), True),
        ("AVRO", record(A, B), record(A), False),
        ("AVRO", record(A), record(A, B), True),
        ("AVRO", record(avro("a", "long")), record(A), True),
        ("AVRO", record(A), record(avro("a", "long")), False),
        ("AVRO", record(avro("a", ["null", "int"])), record(A), True),
        ("AVRO", record(A), record(avro("a", ["null", "int"])), False),
        ("AVRO", record(avro("z", aliases=["a"])), record(A), True),
        ("AVRO", record(avro("a", ENUM)), record(avro("a", {**ENUM, "symbols": ["x"]})), True),
        ("AVRO", record(avro("a", {**ENUM, "symbols": ["x"]})), record(avro("a", ENUM)), False),
        ("AVRO", '{"type": "array", "items": "long"}', '{"type": "array", "items": "int"}', True),
        (
            "JSON",
            '{"properties": {"a": {"type": "number"}}}',
            '{"properties": {"a": {"type": "integer"}}}',
            True,
        ),
        (
            "JSON",
            '{"properties": {"a": {"type": "integer"}}}',
            '{"properties": {"a": {"type": "number"}}}',
            False,
        ),
        ("JSON", '{"required": ["a"]}', "{}", False),
        ("JSON", "{}", '{"required": ["a"]}', True),
        ("JSON", '{"additionalProperties": false}', '{"properties": {"a": {}}}', False),
        ("JSON", '{"type": "string", "maxLength": 5}', '{"type": "string", "maxLength": 9}', False),
        ("JSON", '{"enum": [1, 2]}', '{"enum": [1]}', True),
        ("PROTOBUF", "message A { int64 a = 1; string b = 2; }", "message A { int32 a = 1; }", True),
        ("PROTOBUF", "message A { string a = 1; }", "message A { int32 a = 1; }", False),
        ("PROTOBUF", "message A { repeated int32 a = 1; }", "message A { int32 a = 1; }", False),
        ("PROTOBUF", "message A { required int32 b = 2; }", "message A { }", False),
        ("PROTOBUF", "message B { }", "message A { message C { map<string, int32> m = 1; } }", False),
    ],
)
def test_what_one_schema_writes_another_reads_or_not(
    data_format: str, reader: str, writer: str, is_read: bool
) -> None:
    found = problems(data_format, parse(data_format, reader), parse(data_format, writer))
    assert (not found) is is_read, found


@pytest.mark.parametrize(
    ("data_format", "definition"),
    [
        ("AVRO", "{"),
        ("AVRO", '{"type": "record", "name": "r", "fields": [{"name": "a", "type": "nope"}]}'),
        ("JSON", '{"type": "nope"}'),
        ("PROTOBUF", "message A { int32 a = x; }"),
        ("PROTOBUF", "message A { int32 a = 1; int32 b = 1; }"),
        ("PROTOBUF", "message A { int32 a = 1;"),
    ],
)
def test_a_definition_that_is_none_is_not_valid(
    data_format: str, definition: str, registry: SchemaRegistry
) -> None:
    asked = {"DataFormat": data_format, "SchemaDefinition": definition}
    answer = registry.check_schema_version_validity(asked)
    assert answer["Valid"] is False
    assert "is invalid" in answer["Error"]
    with pytest.raises(InvalidInputException, match="is invalid"):
        registry.create_schema({"SchemaName": "s", **asked})


@pytest.mark.parametrize(
    ("mode", "statuses"),
    [
        ("NONE", ["AVAILABLE", "AVAILABLE", "AVAILABLE"]),
        ("BACKWARD", ["FAILURE", "AVAILABLE", "AVAILABLE"]),
        ("FORWARD", ["AVAILABLE", "AVAILABLE", "FAILURE"]),
        ("FULL", ["FAILURE", "AVAILABLE", "FAILURE"]),
        ("FULL_ALL", ["FAILURE", "AVAILABLE", "FAILURE"]),
    ],
)
def test_the_mode_of_a_schema_decides_on_its_versions(
    mode: str, statuses: list[str], registry: SchemaRegistry
) -> None:
    first = record(A)
    registry.create_schema(
        {"SchemaName": "s", "DataFormat": "AVRO", "Compatibility": mode, "SchemaDefinition": first}
    )
    asked = {"SchemaId": {"SchemaName": "s"}}
    # One more field without a default, one with, and a first one that is gone.
    definitions = [record(A, B), record(A, B_DEFAULT, avro("c", default=1)), record(B_DEFAULT)]
    answers = [
        registry.register_schema_version({**asked, "SchemaDefinition": definition})
        for definition in definitions
    ]
    assert [one["Status"] for one in answers] == statuses
    assert [one["VersionNumber"] for one in answers] == [2, 3, 4]
    again = registry.register_schema_version({**asked, "SchemaDefinition": f" {first} "})
    assert (again["VersionNumber"], again["Status"]) == (1, "AVAILABLE")
    assert len(registry.list_schema_versions(asked)["Schemas"]) == 4


def test_versions_differ_are_deleted_and_carry_metadata(registry: SchemaRegistry) -> None:
    given = {"SchemaName": "s", "DataFormat": "AVRO", "SchemaDefinition": record(A)}
    version_id = registry.create_schema(given)["SchemaVersionId"]
    asked = {"SchemaId": {"SchemaName": "s"}}
    registry.register_schema_version({**asked, "SchemaDefinition": record(A, B_DEFAULT)})
    numbers = {
        "FirstSchemaVersionNumber": {"VersionNumber": 1},
        "SecondSchemaVersionNumber": {"LatestVersion": True},
    }
    diff = registry.get_schema_versions_diff({**asked, **numbers, "SchemaDiffType": "SYNTAX_DIFF"})["Diff"]
    assert '+      "name": "b",' in diff.splitlines()
    for value in ("1", "2"):
        registry.put_schema_version_metadata(
            {"SchemaVersionId": version_id, "MetadataKeyValue": {"MetadataKey": "k", "MetadataValue": value}}
        )
    found = registry.query_schema_version_metadata({"SchemaVersionId": version_id})["MetadataInfoMap"]["k"]
    assert (found["MetadataValue"], found["OtherMetadataValueList"][0]["MetadataValue"]) == ("2", "1")
    errors = registry.delete_schema_versions({**asked, "Versions": "1-3"})["SchemaVersionErrors"]
    assert [one["VersionNumber"] for one in errors] == [1, 3]
    with pytest.raises(EntityNotFoundException, match="Schema version is not found"):
        registry.get_schema_version({**asked, "SchemaVersionNumber": {"VersionNumber": 2}})
