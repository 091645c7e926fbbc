"""The files of objects, for planes that read them where they are."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from localstack.services.s3.constants import ARCHIVES_STORAGE_CLASSES
from localstack.services.s3.models import S3Object, s3_stores

from millpond.localstack_ext.engine import planes, trail
from millpond.localstack_ext.iam.guard import GUARD
from millpond.localstack_ext.s3.objects import DiskObjectStore
from millpond.localstack_ext.state import engine_state
from millpond.planes.athena.files import Reader


@cache
def object_store() -> DiskObjectStore:
    """Where this engine keeps its objects."""
    state = planes.context().state_dir
    keeps = engine_state.keeps()
    return DiskObjectStore(state / "objects" if keeps else state / "engine" / "s3", keeps=keeps)


def link_objects(store: DiskObjectStore, reader: Reader, locations: Iterable[str], directory: Path) -> None:
    """Give the files of objects a second name below a directory; those that must be asked for are left out.

    Parameters
    ----------
    store : DiskObjectStore
        Knows the file of an object.
    reader : Reader
        Who reads them. An account's root may read what is in its own buckets, unless a policy says otherwise;
        what the policies of somebody else do not allow is asked for, and denied there.
    locations : iterable of str
        ``s3://bucket/key``, each a path below a directory.
    directory : Path
        On the same file system.
    """
    made, read = set(), []
    plain = {
        location: stored
        for location in locations
        if (stored := _plain_object(reader.account_id, location)) is not None
    }
    for location in GUARD.may_read(reader.access_key, reader.account_id, reader.region, plain):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        path = directory / bucket / key
        # What has gone meanwhile, or lies on another file system, is asked for like the others.
        with contextlib.suppress(OSError):
            if path.parent not in made:
                path.parent.mkdir(parents=True, exist_ok=True)
                made.add(path.parent)
            os.link(store.path(plain[location]), path)
            read.append(location)
    trail.note_query(reader.query_id, read)


def _plain_object(account_id: str, location: str) -> S3Object | None:
    """An object that reading answers with its content, whoever in its account asks that may read it."""
    bucket_name, _, key = location.removeprefix("s3://").partition("/")
    # Buckets are those of every region.
    buckets = s3_stores[account_id]["us-east-1"].buckets
    bucket = buckets.get(bucket_name)
    if bucket is None or bucket.policy:
        return None
    stored = bucket.objects.get(key)
    if not isinstance(stored, S3Object) or stored.sse_key_hash or stored.kms_key_id:
        return None
    return None if stored.storage_class in ARCHIVES_STORAGE_CLASSES else stored
