"""S3's files: written once, there for whoever reads them, gone when nobody can ask for them."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from localstack.services.s3.models import S3Bucket, S3Object, s3_stores

from millpond.localstack_ext.s3.files import link_objects
from millpond.localstack_ext.s3.objects import DiskObjectStore
from millpond.localstack_ext.state.saver import is_change
from millpond.planes.athena.files import Reader


def root_of(account: str) -> Reader:
    return Reader(account, "eu-west-1", account)


@pytest.fixture
def store(tmp_path: Path) -> DiskObjectStore:
    store = DiskObjectStore(tmp_path / "objects")
    store.create_bucket("b")
    return store


def put(store: DiskObjectStore, content: bytes, key: str = "k") -> S3Object:
    s3_object = S3Object(key)
    with store.open("b", s3_object, "w") as stored:
        stored.write(BytesIO(content))
    return s3_object


def read(store: DiskObjectStore, s3_object: S3Object) -> bytes:
    with store.open("b", s3_object) as stored:
        return b"".join(stored)


def files(store: DiskObjectStore) -> int:
    return len(list(store.directory.glob("*/*")))


def test_an_object_is_one_plain_file_with_its_content(store: DiskObjectStore) -> None:
    s3_object = put(store, b"hello")
    assert store.path(s3_object).read_bytes() == b"hello"
    assert (s3_object.size, s3_object.etag) == (5, hashlib.md5(b"hello").hexdigest())
    assert read(store, s3_object) == b"hello"


def test_who_reads_goes_on_when_the_object_is_replaced_and_gone(store: DiskObjectStore) -> None:
    s3_object: S3Object | None = put(store, b"first")
    assert s3_object is not None
    with store.open("b", s3_object) as reader:
        assert reader.read(2) == b"fi"
        other = put(store, b"second")
        del s3_object
        # The store itself holds no object.
        reader.s3_object = other
        assert files(store) == 1
        assert reader.read() == b"rst"
    assert read(store, other) == b"second"


def test_a_failed_upload_leaves_what_was_there(store: DiskObjectStore) -> None:
    class Broken(BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError("connection lost")

    s3_object = put(store, b"there")
    new = S3Object("k")
    with pytest.raises(OSError, match="lost"), store.open("b", new, "w") as stored:
        stored.write(Broken())
    store.remove("b", new)
    assert read(store, s3_object) == b"there"


def test_a_copy_is_the_same_bytes_and_outlives_what_it_was_made_of(store: DiskObjectStore) -> None:
    s3_object: S3Object | None = put(store, b"content")
    assert s3_object is not None
    copy = S3Object("copy")
    with store.copy("b", s3_object, "other", copy) as stored:
        assert stored.etag == s3_object.etag
        assert stored.checksum
    assert store.path(s3_object).samefile(store.path(copy))
    del s3_object, stored
    assert read(store, copy) == b"content"


def test_files_of_saved_objects_stay_until_another_state_is_saved(tmp_path: Path) -> None:
    store = DiskObjectStore(tmp_path, keeps=True)
    saved = pickle.dumps(put(store, b"saved"))
    del store
    later = DiskObjectStore(tmp_path, keeps=True)
    s3_object: S3Object | None = pickle.loads(saved)
    assert s3_object is not None
    put(later, b"never saved").key = "gone"
    later.adopt([s3_object])
    assert (read(later, s3_object), files(later)) == (b"saved", 1)
    del s3_object
    assert files(later) == 1
    finish = later.begin_save()
    assert files(later) == 1
    finish()
    assert files(later) == 0


def test_objects_without_their_files_are_not_loaded(tmp_path: Path) -> None:
    store = DiskObjectStore(tmp_path)
    s3_object = put(store, b"x")
    store.path(s3_object).unlink()
    with pytest.raises(FileNotFoundError, match="1 objects have lost their files"):
        store.adopt([s3_object])


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ("GetObject", False),
        ("ListBuckets", False),
        ("BatchGetItem", False),
        ("TransactGetItems", False),
        ("Query", False),
        ("HeadObject", False),
        ("DescribeTable", False),
        ("GenerateDataKey", True),
        ("TestState", False),
        ("PutObject", True),
        ("ReceiveMessage", True),
        ("Headline", True),
        ("TransactWriteItems", True),
        ("StartQueryExecution", True),
        ("BatchExecuteStatement", True),
    ],
)
def test_what_may_change_something_is_saved(operation: str, changes: bool) -> None:
    assert is_change(operation) is changes


ACCOUNT = "111122223333"


@pytest.fixture
def bucket() -> Iterator[S3Bucket]:
    buckets = s3_stores[ACCOUNT]["us-east-1"].buckets
    buckets["b"] = S3Bucket("b", ACCOUNT, "eu-west-1", {"ID": ACCOUNT})
    yield buckets["b"]
    del buckets["b"]


def test_what_was_linked_stays_as_it_was_when_the_object_is_replaced_and_gone(
    store: DiskObjectStore, bucket: S3Bucket, tmp_path: Path
) -> None:
    bucket.objects.set("t/k", put(store, b"first"))
    link_objects(store, root_of(ACCOUNT), ["s3://b/t/k", "s3://b/t/none", "s3://c/k"], tmp_path / "linked")
    bucket.objects.set("t/k", put(store, b"second"))
    link_objects(store, root_of(ACCOUNT), ["s3://b/t/k"], tmp_path / "linked")
    assert [path.name for path in (tmp_path / "linked").rglob("*") if path.is_file()] == ["k"]
    assert (tmp_path / "linked/b/t/k").read_bytes() == b"first"
    bucket.objects.pop("t/k")
    assert (tmp_path / "linked/b/t/k").read_bytes() == b"first"


def test_what_is_not_read_by_everybody_in_the_account_is_not_linked(
    store: DiskObjectStore, bucket: S3Bucket, tmp_path: Path
) -> None:
    for key, attributes in {
        "customer": {"sse_key_hash": "x"},
        "kms": {"kms_key_id": "key"},
        "archive": {"storage_class": "GLACIER"},
        "plain": {},
    }.items():
        s3_object = put(store, b"x", key)
        vars(s3_object).update(attributes)
        bucket.objects.set(key, s3_object)
    every = [f"s3://b/{key}" for key in ("customer", "kms", "archive", "plain")]

    def linked(account: str, name: str) -> list[str]:
        link_objects(store, root_of(account), every, tmp_path / name)
        return [path.name for path in (tmp_path / name).rglob("*") if path.is_file()]

    assert linked("444455556666", "others") == []
    assert linked(ACCOUNT, "own") == ["plain"]
    bucket.policy = "{}"
    assert linked(ACCOUNT, "by policy") == []
