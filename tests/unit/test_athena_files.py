"""Objects that are read as files: which may be, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from millpond.planes.athena.files import OBJECTS, ObjectFiles, is_plain, wanted


@pytest.mark.parametrize(
    ("location", "is_one"),
    [
        ("s3://b/a/k.parquet", True),
        ("s3://b/day=2024-01-01/ö [x]*?.csv", True),
        ("s3a://b/k", False),
        ("s3://b/../k", False),
        ("s3://b/a//k", False),
        ("s3://b/a/./k", False),
        ("s3://b/a/", False),
        (f"s3://b/{'x' * 300}", False),
        ("s3://b/a\0k", False),
    ],
)
def test_a_location_that_can_be_a_path_is_plain(location: str, is_one: bool) -> None:
    assert is_plain(location) == is_one


def test_what_was_not_linked_is_read_where_it_is(tmp_path: Path) -> None:
    def link() -> None:
        assert list(wanted(tmp_path)) == ["s3://b/t/a", "s3://b/t/b"]
        (tmp_path / OBJECTS / "b/t").mkdir(parents=True)
        (tmp_path / OBJECTS / "b/t/a").write_bytes(b"x")

    files = ObjectFiles(tmp_path, link)
    found = files.readable(["s3://b/t/a", "s3://b/t/b", "s3://b//c", "s3://b/t/a"])
    path = f"{tmp_path}/objects/b/t/a"
    assert found == {"s3://b/t/a": path, "s3://b/t/b": "s3://b/t/b", "s3://b//c": "s3://b//c"}
    assert files.named(f"cannot read {path}") == "cannot read s3://b/t/a"
