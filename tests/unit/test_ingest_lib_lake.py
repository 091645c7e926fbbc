"""Where files go, which partitions a merge touches, and which old versions may go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import ingest_lib  # noqa: F401
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingest import cleanup, layout
from ingest.errors import IngestError
from ingest.merge import plan_merge

TABLE = "s3://lake/erp/orders/"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05", "2024-05"),
        ("a b", "a b"),
        ("a/b=c%d", "a%2Fb%3Dc%25d"),
        ("12:30 'x' \"y\"", "12%3A30 %27x%27 %22y%22"),
        ("é\n", "é%0A"),
        ("[{x}]^*#?\\", "%5B%7Bx}%5D%5E%2A%23%3F%5C"),
    ],
)
def test_partition_value_is_escaped_as_hive_does(value: str, expected: str) -> None:
    assert layout.escape(value) == expected


@given(st.text(), st.text())
def test_different_values_never_share_a_directory(one: str, other: str) -> None:
    assert (layout.escape(one) == layout.escape(other)) == (one == other)
    assert "/" not in layout.escape(one)


def test_partition_has_its_keys_in_order() -> None:
    location = layout.partition_location(TABLE + "run_id=r1/", ["y", "m"], ("2024", "05"))
    assert location == "s3://lake/erp/orders/run_id=r1/y=2024/m=05/"


def test_version_of_a_location_is_its_run() -> None:
    assert layout.version_of(TABLE, TABLE + "run_id=r1/y=2024/") == "run_id=r1"


@pytest.mark.parametrize("location", ["s3://lake/erp/other/run_id=r1/", TABLE + "2024/"])
def test_location_that_is_not_ours_is_refused(location: str) -> None:
    with pytest.raises(IngestError, match=location):
        layout.version_of(TABLE, location)


partitions = st.frozensets(st.tuples(st.sampled_from("abcdef")))


@given(partitions, partitions, partitions)
def test_merge_rewrites_what_changed_or_holds_a_key_and_nothing_else(
    visible: frozenset[tuple[str, ...]],
    changed: frozenset[tuple[str, ...]],
    holding: frozenset[tuple[str, ...]],
) -> None:
    plan = plan_merge(visible, changed, holding & visible)
    assert plan.rewritten | plan.untouched == visible
    assert plan.rewritten == {values for values in visible if values in changed or values in holding}
    assert not plan.rewritten & plan.untouched


class S3:
    """A bucket in memory, of which only listing and deleting are needed."""

    def __init__(self, ages: dict[str, timedelta]) -> None:
        now = datetime.now(UTC)
        self.objects = {f"erp/orders/run_id={name}/part.parquet": now - age for name, age in ages.items()}

    def get_paginator(self, _: str) -> S3:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str = "") -> list[dict[str, Any]]:  # noqa: N803
        keys = [key for key in self.objects if key.startswith(Prefix)]
        if Delimiter:
            return [{"CommonPrefixes": [{"Prefix": key.rsplit("/", 1)[0] + "/"} for key in keys]}]
        return [{"Contents": [{"Key": key, "LastModified": self.objects[key]} for key in keys]}]

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        for entry in Delete["Objects"]:
            del self.objects[entry["Key"]]
        return {}


def test_versions_in_use_or_perhaps_being_written_are_kept() -> None:
    fresh, old = timedelta(minutes=1), timedelta(days=3)
    s3 = S3({"needed": old, "superseded": fresh, "running": fresh, "abandoned": old})
    removed = cleanup.remove_versions(s3, TABLE, {"run_id=needed"}, lambda run_id: run_id == "superseded")
    assert removed == ["run_id=superseded", "run_id=abandoned"]
    assert [key.split("/")[2] for key in s3.objects] == ["run_id=needed", "run_id=running"]


def test_object_that_cannot_be_deleted_is_an_error() -> None:
    class Refusing(S3):
        def delete_objects(self, **_: Any) -> dict[str, Any]:
            return {"Errors": [{"Key": "k", "Message": "AccessDenied"}]}

    with pytest.raises(IngestError, match="AccessDenied"):
        cleanup.remove_versions(Refusing({"x": timedelta(days=3)}), TABLE, set(), lambda _: True)
