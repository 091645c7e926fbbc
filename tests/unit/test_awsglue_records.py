"""The parts of our ``awsglue`` that need no Spark: types of values, paths, and bookmarks."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millpond.base.config import CHECKOUT


@pytest.fixture(scope="module")
def awsglue() -> Iterator[Any]:
    sys.path.insert(0, str(CHECKOUT / "glue_runtime"))
    names = ("_files", "_infer", "_json_path", "_paths", "bookmarks", "gluetypes", "job")
    modules = {name.lstrip("_"): importlib.import_module(f"awsglue.{name}") for name in names}
    yield SimpleNamespace(**modules)
    sys.path.remove(str(CHECKOUT / "glue_runtime"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "awsglue"]:
        del sys.modules[name]


# Values as json.loads gives them; a number of 64 bits is never also a float in the same field's choice.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from("abc"), inside, max_size=3),
    max_leaves=6,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3), max_size=5)


def full(value: Any, kind: Any, glue: Any) -> Any:
    """A model of a record with every field of its schema: what is missing is null."""
    if value is None:
        return None
    if isinstance(kind, glue.ChoiceType):
        name = {bool: "boolean", float: "double", str: "string", list: "array", dict: "struct"}.get(
            type(value)
        )
        return full(value, kind.choices[name], glue) if name in ("array", "struct") else value
    if isinstance(kind, glue.StructType):
        return {field.name: full(value.get(field.name), field.dataType, glue) for field in kind}
    if isinstance(kind, glue.ArrayType):
        return [full(item, kind.elementType, glue) for item in value]
    return value


@settings(max_examples=50, deadline=None)
@given(records=RECORDS)
def test_records_come_back_from_the_layout_of_their_schema(
    awsglue: Any, records: list[dict[str, Any]]
) -> None:
    schema = awsglue.infer.schema_of(records)
    for record in records:
        laid_out = awsglue.infer.physical(record, schema)
        back = awsglue.infer.logical(laid_out, schema)
        expected = full(record, schema, awsglue.gluetypes)
        assert json.dumps(back, sort_keys=True) == json.dumps(expected, sort_keys=True)


@settings(max_examples=50, deadline=None)
@given(first=RECORDS, second=RECORDS)
def test_schema_of_all_is_the_merge_of_the_schemas_of_parts(awsglue: Any, first: Any, second: Any) -> None:
    def seen(records: Any) -> Any:
        observed: Any = {"struct": {}}
        for record in records:
            awsglue.infer.observe(record, observed)
        return observed

    merged = awsglue.infer.as_struct(awsglue.infer.merge(seen(first), seen(second)))
    together = awsglue.infer.schema_of([*first, *second])
    assert merged == together
    assert awsglue.gluetypes.from_json_value(json.loads(json.dumps(merged.jsonValue()))) == merged


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2**31 - 1], "int"),
        ([2**31], "long"),
        ([1, 2**31], "choice int long"),
        ([1, 1.5], "choice double int"),
        ([2**63], "decimal"),
        ([None, True], "boolean"),
        ([None], "null"),
        (["1", 1, [1], {"a": 1}], "choice array int string struct"),
    ],
)
def test_type_of_a_field_is_that_of_its_values(awsglue: Any, values: list[Any], expected: str) -> None:
    kind = awsglue.infer.schema_of([{"f": value} for value in values]).getField("f").dataType
    assert " ".join([kind.typeName(), *getattr(kind, "choices", ())]) == expected


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a.b", ("a", "b")),
        ("`a.b`.c", ("a.b", "c")),
        ("l[].p", ("l", "[]", "p")),
        ("a b", ("a b",)),
        ("`.id`", (".id",)),
    ],
)
def test_path(awsglue: Any, text: str, path: tuple[str, ...]) -> None:
    assert awsglue.paths.parse(text) == path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", [{"a": [{"b": 1}, {"b": 2}], "c.d": {"x": 3}}]),
        ("$.a", [{"b": 1}, {"b": 2}]),
        ("$.a[*].b", [1, 2]),
        ("$.a[1]", [{"b": 2}]),
        ("$['c.d'].x", [3]),
        ("$.none", []),
    ],
)
def test_json_path(awsglue: Any, path: str, expected: list[Any]) -> None:
    value = {"a": [{"b": 1}, {"b": 2}], "c.d": {"x": 3}}
    assert awsglue.json_path.find(value, awsglue.json_path.parse(path)) == expected


@pytest.mark.parametrize(
    ("glob", "name", "is_matched"),
    [
        ("**.pdf", "s3://b/x/y.pdf", True),
        ("*.pdf", "x/y.pdf", False),
        ("x/{a,b}?.c[!d]", "x/b1.ce", True),
        ("x/{a,b}?.c[!d]", "x/b1.cd", False),
    ],
)
def test_exclusion_pattern(awsglue: Any, glob: str, name: str, is_matched: bool) -> None:
    import re

    assert bool(re.fullmatch(awsglue.files._regular(glob), name)) is is_matched


# What happens to a bucket between the runs of a job: files that appear, each with the time it was written.
HISTORIES = st.lists(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3000)), max_size=4), max_size=6
)


@settings(max_examples=50, deadline=None)
@given(history=HISTORIES)
def test_each_version_of_a_file_is_read_once_even_if_it_appears_late(awsglue: Any, history: Any) -> None:
    """As long as it appears within ``maxBand`` of the latest that was read; after that it never is."""
    band = 1000
    bucket: dict[str, int] = {}
    read: list[tuple[str, int]] = []
    state = None
    for appeared in history:
        bucket.update(dict(appeared))
        files = [awsglue.files.File(path, modified) for path, modified in sorted(bucket.items())]
        source = awsglue.bookmarks.SourceBookmark(state, is_on=True)
        chosen = source.new_files(files, {"maxBand": band})
        until = state["until"] if state else None
        model = [
            file
            for file in files
            if (file.path, file.modified) not in read and (until is None or file.modified > until - band)
        ]
        assert chosen == model
        read += [(file.path, file.modified) for file in chosen]
        state = source.result


def test_nothing_is_kept_before_commit_and_then_all_of_it(awsglue: Any, tmp_path: Path) -> None:
    states_file = tmp_path / "bookmark.json"
    old = {"until": 5, "band": 900000, "files": [["a", 5]]}
    states_file.write_text(json.dumps({"states": {"one": old, "two": old}}))
    environment = {awsglue.bookmarks.VARIABLE: str(states_file)}
    bookmarks = awsglue.bookmarks.Bookmarks.of_run(environment, "job-bookmark-enable")
    files = [awsglue.files.File("a", 5), awsglue.files.File("b", 6)]
    assert bookmarks.source("one").new_files(files, {}) == files[1:]
    assert bookmarks.source("").new_files(files, {}) == files
    kept = tmp_path / "bookmark.json.committed"
    assert not kept.exists()
    bookmarks.commit()
    states = json.loads(kept.read_text())["states"]
    assert states["two"] == old
    assert (states["one"]["until"], states["one"]["files"]) == (6, [["a", 5], ["b", 6]])


def test_paused_run_reads_between_two_others_and_keeps_nothing(awsglue: Any, tmp_path: Path) -> None:
    states_file = tmp_path / "bookmark.json"
    first, last = ({"until": at, "band": 1, "files": []} for at in (5, 7))
    states_file.write_text(json.dumps({"states": {"s": first}, "ends": {"s": last}}))
    environment = {awsglue.bookmarks.VARIABLE: str(states_file)}
    bookmarks = awsglue.bookmarks.Bookmarks.of_run(environment, "job-bookmark-pause")
    files = [awsglue.files.File("f", at) for at in (4, 6, 8)]
    assert bookmarks.source("s").new_files(files, {}) == files[1:2]
    assert bookmarks.source("never read").new_files(files, {}) == []
    bookmarks.commit()
    assert list(tmp_path.iterdir()) == [states_file]


def test_commit_without_init_keeps_nothing_and_says_so(
    awsglue: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    job = awsglue.job.Job(glue_context=None)
    job.commit()
    assert "no bookmark is kept" in capsys.readouterr().err
    job.init("orders", {})
    assert awsglue.job.Job.isInitialized()
    job.commit()
