"""What becomes of records, transform by transform."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import shown

Frame = Callable[..., Any]

ORDER = {
    "id": "7",
    "price": "1.5",
    "who": {"name": "a", "address": {"city": "b"}},
    "list": [{"price": 100.0}, {"price": "$1"}],
    "dotted.name": 1,
    "none": None,
}


def names(frame: Any) -> list[str]:
    return [one.name for one in frame.schema()]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (("id", "string", "key", "int"), {"key": 7}),
        (("price", "string", "p", "double"), {"p": 1.5}),
        (("price", "string", "p", "int"), {"p": None}),
        (("price", "string", "p", "decimal(10,2)"), {"p": "1.50"}),
        (("who.address.city", "string", "city", "string"), {"city": "b"}),
        (("id", "string", "deep.er.id", "long"), {"deep": {"er": {"id": 7}}}),
        (("`dotted.name`", "int", "plain", "string"), {"plain": "1"}),
        (("who", "struct", "who", "struct"), {"who": ORDER["who"]}),
        (("nothing", "string", "nothing", "string"), {}),
    ],
)
def test_mapping(frame: Frame, mapping: Any, expected: Any) -> None:
    from awsglue.transforms import ApplyMapping

    mapped = ApplyMapping.apply(frame=frame(ORDER), mappings=[mapping, ("id", "string", "id", "string")])
    assert shown(mapped) == [{**expected, "id": "7"}]


def test_names_of_sources_are_taken_in_any_case_unless_told(frame: Frame) -> None:
    mappings = [("ID", "string", "key", "string"), ("Who.ADDRESS.City", "string", "city", "string")]
    assert shown(frame(ORDER).apply_mapping(mappings)) == [{"key": "7", "city": "b"}]
    assert shown(frame(ORDER).apply_mapping(mappings, case_sensitive=True)) == [{}]
    assert shown(frame(ORDER).apply_mapping(mappings, "context")) == [{"key": "7", "city": "b"}]


def test_fields_are_selected_dropped_renamed_and_split(frame: Frame) -> None:
    from awsglue.transforms import DropFields, DropNullFields, RenameField, SelectFields, SplitFields

    orders = frame(ORDER)
    assert names(SelectFields.apply(frame=orders, paths=["price", "id", "nothing"])) == ["price", "id"]
    assert shown(orders.select_fields(["who.address.city"])) == [{"who": {"address": {"city": "b"}}}]
    assert "id" not in names(DropFields.apply(frame=orders, paths=["id", "nothing"]))
    assert shown(orders.select_fields(["who"]).drop_fields(["who.name"])) == [
        {"who": {"address": {"city": "b"}}}
    ]
    assert names(DropNullFields.apply(frame=orders)) == ["id", "price", "who", "list", "dotted.name"]
    renamed = RenameField.apply(orders, "`dotted.name`", "plain")
    assert names(renamed)[4] == "plain"
    assert (
        shown(orders.select_fields(["who"]).rename_field("who.name", "who.called"))[0]["who"]["called"] == "a"
    )
    moved = orders.select_fields(["id", "who"]).rename_field("id", "who.id")
    assert shown(moved) == [{"who": {**ORDER["who"], "id": "7"}}]
    parts = SplitFields.apply(frame=orders, paths=["id", "price"], name1="a", name2="b")
    assert (names(parts["a"]), names(parts.select("b"))[0], list(parts.keys())) == (
        ["id", "price"],
        "who",
        ["a", "b"],
    )


CHOICES = ({"v": 1, "l": [{"p": 1}]}, {"v": "2", "l": [{"p": "x"}]}, {"v": None}, {"v": "z"})


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("cast:int", [{"v": 1}, {"v": 2}, {"v": None}, {"v": None}]),
        ("cast:string", [{"v": "1"}, {"v": "2"}, {"v": None}, {"v": "z"}]),
        ("project:int", [{"v": 1}, {"v": None}, {"v": None}, {"v": None}]),
        ("project:string", [{"v": None}, {"v": "2"}, {"v": None}, {"v": "z"}]),
        (
            "make_cols",
            [
                {"v_int": 1, "v_string": None},
                {"v_int": None, "v_string": "2"},
                {"v_int": None, "v_string": None},
                {"v_int": None, "v_string": "z"},
            ],
        ),
        (
            "make_struct",
            [
                {"v": {"int": 1, "string": None}},
                {"v": {"int": None, "string": "2"}},
                {"v": None},
                {"v": {"int": None, "string": "z"}},
            ],
        ),
    ],
)
def test_choice_is_resolved(frame: Frame, action: str, expected: list[Any]) -> None:
    from awsglue.transforms import ResolveChoice

    messy = frame(*CHOICES).select_fields(["v"])
    assert shown(ResolveChoice.apply(frame=messy, specs=[("v", action)])) == expected
    assert shown(messy.resolveChoice(choice=action)) == expected


def test_choice_in_an_array_is_resolved_and_cannot_become_columns(frame: Frame) -> None:
    messy = frame(*CHOICES).select_fields(["l"])
    resolved = messy.resolveChoice(specs=[("l[].p", "cast:double")])
    assert [one["l"] for one in shown(resolved)][:2] == [[{"p": 1.0}], [{"p": None}]]
    assert shown(messy.resolveChoice(choice="make_cols"))[0]["l"] == [{"p_int": 1, "p_string": None}]
    bare = frame({"l": [1, "x"]})
    with pytest.raises(ValueError, match="elements of an array"):
        bare.resolveChoice(choice="make_cols").count()


@pytest.mark.parametrize(
    "given",
    [
        {"specs": [("v", "guess")]},
        {"choice": "match_catalog"},
        {"specs": [("v", "cast:int")], "choice": "make_cols"},
    ],
)
def test_resolution_that_is_none_is_an_error(frame: Frame, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"action|match_catalog|both"):
        frame(*CHOICES).resolveChoice(**given).count()


def test_data_frame_of_a_choice_is_resolved_by_its_options(frame: Frame) -> None:
    from awsglue.dynamicframe import ResolveOption
    from awsglue.gluetypes import IntegerType

    messy = frame(*CHOICES)
    assert messy.toDF([ResolveOption("v", "KeepAsStruct")]).dtypes[0][1] == "struct<int:int,string:string>"
    assert [row.v for row in messy.toDF([ResolveOption("v", "Project", IntegerType())]).collect()] == [
        1,
        None,
        None,
        None,
    ]
    assert [row.v for row in messy.toDF([ResolveOption("v", "Cast", IntegerType())]).collect()] == [
        1,
        2,
        None,
        None,
    ]


def test_functions_are_applied_once_and_their_failures_are_error_records(frame: Frame, tmp_path: Any) -> None:
    from awsglue.transforms import ErrorsAsDynamicFrame, Filter, Map

    calls = tmp_path / "calls"

    def merged(record: Any) -> Any:
        with calls.open("a") as log:
            log.write("x")
        record["address"] = {"city": record.city, "all": [record["city"], record["zip"]]}
        del record["city"]
        record["half"] = 10 / record["n"]
        return record

    people = frame({"city": "a", "zip": "1", "n": 4}, {"city": "b", "zip": "2", "n": 0})
    mapped = Map.apply(frame=people, f=merged)
    assert shown(mapped) == [{"zip": "1", "n": 4, "address": {"city": "a", "all": ["a", "1"]}, "half": 2.5}]
    assert (mapped.count(), mapped.errorsCount(), calls.read_text()) == (1, 1, "xx")
    assert "ZeroDivisionError" in shown(ErrorsAsDynamicFrame.apply(mapped))[0]["error"]["msg"]
    kept = Filter.apply(frame=people, f=lambda record: 10 / record["n"] > 1)
    assert ([one["city"] for one in shown(kept)], kept.errorsCount()) == (["a"], 1)
    with pytest.raises(RuntimeError, match="3 error records, of which 1"):
        people.filter(
            lambda record: 1 / 0 if record["n"] else True, totalThreshold=0, stageThreshold=0
        ).filter(lambda record: 10 / record["n"] > 1, stageThreshold=1).union(
            mapped, totalThreshold=1
        ).count()


def test_frames_are_joined_merged_united_and_split(frame: Frame) -> None:
    from awsglue.transforms import Join, SplitRows, Union

    left = frame({"id": 1, "v": "a", "w": {"k": 1}}, {"id": 2, "v": "b", "w": {"k": 2}})
    right = frame({"id": 1, "v": "c"}, {"id": 3, "v": "d"})
    assert shown(Join.apply(left, right, "id", ["id"])) == [
        {"id": 1, "v": "a", "w": {"k": 1}, ".id": 1, ".v": "c"}
    ]
    assert shown(left.join(["w.k"], ["id"], right)) == shown(left.join("id", "id", right))
    assert sorted(one["v"] for one in shown(left.mergeDynamicFrame(right, ["id"]))) == ["b", "c", "d"]
    other = frame({"id": "x", "z": None})
    both = Union.apply(left, other)
    assert both.schema().getField("id").dataType.typeName() == "choice"
    assert [one["id"] for one in shown(both)] == [1, 2, "x"]
    parts = SplitRows.apply(left, {"id": {">": 0, "<": 2}}, "in", "out")
    assert [[one["id"] for one in shown(part)] for part in parts.values()] == [[1], [2]]
    assert [part.count() for part in left.split_rows({"id": {">": "0"}}, "a", "b").values()] == [2, 0]
    with pytest.raises(ValueError, match="comparator"):
        left.split_rows({"id": {"~": 1}}, "a", "b")["a"].count()


def test_names_that_differ_by_case_alone_stay_apart(frame: Frame, tmp_path: Any) -> None:
    from awsglue.transforms import ApplyMapping, DropFields, Join

    left = frame({"serialNumber": "a", "distance": 1})
    right = frame({"serialnumber": "a", "name": "x"})
    both = Join.apply(left, right, keys1=["serialNumber"], keys2=["serialnumber"])
    assert names(both) == ["serialNumber", "distance", "serialnumber", "name"]
    assert shown(DropFields.apply(both, paths=["serialnumber", "name"])) == [
        {"serialNumber": "a", "distance": 1}
    ]
    mapped = ApplyMapping.apply(
        both, mappings=[("serialnumber", "string", "s", "string")], case_sensitive=True
    )
    assert shown(mapped) == [{"s": "a"}]
    assert both.toDF().columns == names(both)
    both.write("s3", {"path": f"{tmp_path}/both"}, "json")
    (written,) = (tmp_path / "both").glob("part-*")
    assert json.loads(written.read_text()) == shown(both)[0]
    assert frame({"a": 1}).toDF().select("A").columns == ["A"]


def test_columns_of_one_name_are_one_field_of_the_records(spark: Any, glue: Any) -> None:
    from awsglue.dynamicframe import DynamicFrame

    joined = spark.sql(
        "select * from (select 1 id, 'a' name) l join (select 1 id, 'b' name, 2 more) r on l.id = r.id"
    )
    frame = DynamicFrame.fromDF(joined, glue, "joined")
    assert shown(frame) == [{"id": 1, "name": "b", "more": 2}]
    assert frame._rdd.take(1)[0].more == 2


def test_nested_records_become_tables_that_join(frame: Frame) -> None:
    from awsglue.transforms import Relationalize, SelectFromCollection, UnnestFrame

    people = frame(
        {"name": "a", "home": {"city": "x"}, "friends": [{"n": "b", "tags": [1, 2]}, {"n": "c", "tags": []}]},
        {"name": "d", "home": {"city": "y"}, "friends": None},
    )
    assert names(UnnestFrame.apply(frame=people)) == ["name", "home.city", "friends"]
    tables = Relationalize.apply(frame=people, staging_path="/tmp/x", name="root", transformation_ctx="r")
    assert list(tables.keys()) == ["root", "root_friends", "root_friends.val.tags"]
    root = shown(SelectFromCollection.apply(dfc=tables, key="root"))
    friends = shown(tables.select("root_friends"))
    tags = shown(tables.select("root_friends.val.tags"))
    assert [one["friends"] for one in root] == [friends[0]["id"], None]
    assert [(one["index"], one["friends.val.n"]) for one in friends] == [(0, "b"), (1, "c")]
    assert [(one["id"], one["friends.val.tags.val"]) for one in tags] == [
        (friends[0]["friends.val.tags"], 1),
        (friends[0]["friends.val.tags"], 2),
    ]


def test_texts_are_unboxed(frame: Frame) -> None:
    from awsglue.transforms import Unbox

    boxed = frame({"d": '{"a": 1}'}, {"d": '{"a": "k", "b": [true]}'}, {"d": None})
    assert shown(Unbox.apply(frame=boxed, path="d", format="json")) == [
        {"d": {"a": 1, "b": None}},
        {"d": {"a": "k", "b": [True]}},
        {"d": None},
    ]
    assert shown(frame({"d": "1|x"}).unbox("d", "csv", separator="|")) == [{"d": {"col0": "1", "col1": "x"}}]
    with pytest.raises(NotImplementedError, match="format avro"):
        boxed.unbox("d", "avro").count()


def test_texts_that_are_no_json_are_error_records(frame: Frame) -> None:
    from awsglue.transforms import ErrorsAsDynamicFrame, Unbox

    texts = frame({"k": 1, "t": '{"a": 1}'}, {"k": 2, "t": '{"a": "x}'})
    unboxed = Unbox.apply(frame=texts, path="t", format="json", totalThreshold=1)
    assert shown(unboxed) == [{"k": 1, "t": {"a": 1}}]
    (error,) = shown(ErrorsAsDynamicFrame.apply(unboxed))
    assert json.loads(error["error"]["record"])["k"] == 2
    with pytest.raises(RuntimeError, match="2 error records"):
        frame({"t": "{"}, {"t": "{"}).unbox("t", "json", stageThreshold=1).toDF()


def test_json_of_dynamodb_is_made_simple(frame: Frame) -> None:
    from awsglue.transforms import SimplifyDdbJson

    item = {"id": {"S": "a"}, "n": {"N": "1"}, "m": {"M": {"x": {"BOOL": True}}}, "l": {"L": [{"S": "y"}]}}
    plain = {"id": "a", "n": "1", "m": {"x": True}, "l": ["y"]}
    assert shown(SimplifyDdbJson.apply(frame=frame(item))) == [plain]
    assert shown(frame({"Item": item}).unnest_ddb_json()) == [plain]


def test_spigot_writes_some_records_on_the_way(frame: Frame, tmp_path: Any) -> None:
    from awsglue.transforms import Spigot

    path = tmp_path / "spigot"
    spied = Spigot.apply(frame({"a": 1}, {"a": 2}), path=str(path), options={"topk": 1})
    assert not path.exists()
    assert spied.count() == 2
    assert "".join(one.read_text() for one in path.glob("part-*")) == '{"a":1}\n'


def test_collections_are_mapped(frame: Frame, glue: Any) -> None:
    from awsglue.dynamicframe import DynamicFrameCollection
    from awsglue.transforms import FlatMap, MapToCollection, SelectFields

    frames = DynamicFrameCollection({"x": frame({"a": 1, "b": 2})}, glue)
    mapped = MapToCollection.apply(dfc=frames, callable=lambda one, ctx: one.drop_fields(["a"]))
    assert names(mapped["x"]) == ["b"]
    flat = FlatMap.apply(dfc=frames, BaseTransform=SelectFields, frame_name="frame", paths=["a"])
    assert [names(one) for one in flat.values()] == [["a"]]


@pytest.mark.parametrize("name", ["FillMissingValues", "FindMatches", "FindIncrementalMatches"])
def test_transforms_of_awss_models_are_refused_by_name(name: str) -> None:
    from awsglue import transforms

    with pytest.raises(NotImplementedError, match=f"{name}: machine learning transforms"):
        getattr(transforms, name).apply(frame=None)


def test_models_of_awsglueml_are_there_by_name_and_refused() -> None:
    from awsglueml import transforms

    for name in ("FillMissingValues", "FindIncrementalMatches", "FindMatches"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(transforms, name).apply(frame=None)
    for name in ("detect", "classify_columns"):
        with pytest.raises(NotImplementedError, match=f"EntityDetector.{name}: detection of sensitive data"):
            getattr(transforms.EntityDetector(), name)(None, ["EMAIL"])


def test_transform_describes_itself() -> None:
    from awsglue.transforms import ApplyMapping

    described = ApplyMapping.describe()["transform"]
    assert described["name"] == "ApplyMapping"
    assert [one["name"] for one in described["args"]][:2] == ["frame", "mappings"]


def test_data_frames_go_in_and_out_unchanged(
    glue: Any, spark: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from awsglue import DynamicFrame

    df = spark.sql(
        "SELECT 1 AS a, CAST(1.5 AS DECIMAL(5,2)) AS d, DATE'2024-01-02' AS day, MAP('k', 2) AS m, "
        "ARRAY(STRUCT('x' AS y)) AS l, TIMESTAMP'2024-01-02 03:04:05' AS t"
    )
    frame = DynamicFrame.fromDF(df, glue, "f")
    assert (frame.toDF().schema, frame.toDF().collect()) == (df.schema, df.collect())
    assert DynamicFrame(df._jdf, glue, "g").count() == 1
    frame.show(1)
    assert '"day": "2024-01-02", "m": {"k": 2}, "l": [{"y": "x"}]' in capsys.readouterr().out
    assert frame.repartition(3).getNumPartitions() == 3
    assert frame.repartition(3).coalesce(1).getNumPartitions() == 1
