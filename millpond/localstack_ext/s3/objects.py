"""S3's objects on disk: each version, and each part of an upload, is one plain file that never changes.

A file is written under a new name, and the object that it belongs to says which it is. So an object that
takes another one's place never touches its file, whoever reads it meanwhile, or maps it, goes on, and an
upload that fails leaves what was there. A file goes when nobody has its object any more, and no saved state.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Literal

from localstack.services.s3.constants import S3_CHUNK_SIZE
from localstack.services.s3.models import S3Multipart, S3Object, S3Part, s3_stores
from localstack.services.s3.provider import S3Provider
from localstack.services.s3.storage.core import (
    LimitedStream,
    S3ObjectStore,
    S3StoredMultipart,
    S3StoredObject,
)
from localstack.services.s3.utils import ObjectRange, get_s3_checksum
from localstack.state.core import StateVisitor

_Mode = Literal["r", "w"]
_FILE = "file"
"""Attribute of an object or a part: its file, below the directory of all."""


class StoredObject(S3StoredObject):
    """An object's file, open.

    Parameters
    ----------
    s3_object : S3Object or S3Part
        Whose.
    file : file object
        Opened by who made this, and closed with this.
    mode : {"r", "w"}
        What is done with it.
    """

    def __init__(self, s3_object: S3Object | S3Part, file: IO[bytes], mode: _Mode) -> None:
        super().__init__(s3_object, mode)
        self._file = file
        self._etag: str | None = None
        self._checksum: Any = None

    def close(self) -> None:
        self._file.close()
        self.closed = True

    def read(self, s: int = -1) -> bytes:
        return self._file.read(-1 if s is None else s)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def know_etag(self, etag: str | None) -> None:
        """What the content's digest is, so that it need not be read."""
        self._etag = etag

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(size)

    def write(self, s: Any) -> int:
        """Take everything that a stream has."""
        self._file.seek(0)
        self._file.truncate()
        digest = hashlib.md5(usedforsecurity=False)
        checksum = self._new_checksum()
        while s is not None and (piece := s.read(S3_CHUNK_SIZE)):
            self._file.write(piece)
            digest.update(piece)
            if checksum is not None:
                checksum.update(piece)
        self._etag = self.s3_object.etag = digest.hexdigest()
        self._checksum = checksum
        size = self._written(self._file.tell())
        self._file.seek(0)
        return size

    def append(self, part: Any) -> int:
        """Take what a part has, behind what there is."""
        taken = 0
        while piece := part.read(S3_CHUNK_SIZE):
            taken += self._file.write(piece)
        self._written(self._file.tell())
        return taken

    @property
    def last_modified(self) -> int:
        return self.s3_object.internal_last_modified

    @property
    def checksum(self) -> str | None:
        if not self.s3_object.checksum_algorithm:
            return None
        if self._checksum is None:
            self._checksum = self._of_all(self._new_checksum())
        return base64.b64encode(self._checksum.digest()).decode()

    @property
    def etag(self) -> str:
        if self._etag is None:
            self._etag = self._of_all(hashlib.md5(usedforsecurity=False)).hexdigest()
        return str(self._etag)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(S3_CHUNK_SIZE):
            yield piece

    def _new_checksum(self) -> Any:
        algorithm = self.s3_object.checksum_algorithm
        return get_s3_checksum(algorithm) if algorithm else None

    def _of_all(self, digest: Any) -> Any:
        """A digest of the whole file."""
        place = self._file.tell()
        self._file.seek(0)
        while piece := self._file.read(S3_CHUNK_SIZE):
            digest.update(piece)
        self._file.seek(place)
        return digest

    def _written(self, size: int) -> int:
        self._file.flush()
        self.s3_object.size = size
        self.s3_object.internal_last_modified = time.time_ns()
        return size


class StoredMultipart(S3StoredMultipart):
    """The parts of an upload; each knows its file."""

    _s3_store: DiskObjectStore

    def open(self, s3_part: S3Part, mode: _Mode = "r") -> StoredObject:
        return self._s3_store.open(self.bucket, s3_part, mode)

    def remove_part(self, s3_part: S3Part) -> None:
        """Nothing: its file goes with it."""

    def complete_multipart(self, parts: list[Any]) -> None:
        """Put parts together, one behind the other."""
        with self._s3_store.open(self.bucket, self.s3_multipart.object, "w") as whole:
            for uploaded in parts:
                with self.open(uploaded) as part:
                    whole.append(part)

    def close(self) -> None:
        """Nothing: the files of the parts go with them."""

    def copy_from_object(
        self, s3_part: S3Part, src_bucket: str, src_s3_object: S3Object, range_data: ObjectRange | None
    ) -> None:
        """Make a part of an object, or of a range of it."""
        with (
            self._s3_store.open(src_bucket, src_s3_object) as source,
            self.open(s3_part, "w") as part,
        ):
            part.write(LimitedStream(source, range_data=range_data) if range_data else source)
            if s3_part.checksum_algorithm:
                s3_part.checksum_value = part.checksum


class DiskObjectStore(S3ObjectStore):
    """The files of every bucket.

    Parameters
    ----------
    directory : Path
        Where they are: ``BUCKET/NAME``.
    keeps : bool
        Whether a saved state may refer to a file that no object has any more; it then stays until
        :meth:`begin_save` has told that there is another one.
    """

    def __init__(self, directory: Path, *, keeps: bool = False) -> None:
        self.directory = directory
        self._keeps = keeps
        self._forgotten: deque[Path] = deque()
        self._leaving: list[Path] = []
        directory.mkdir(parents=True, exist_ok=True)

    def open(self, bucket: str, s3_object: S3Object | S3Part, mode: _Mode = "r") -> StoredObject:
        if mode == "w":
            path = self._new(bucket, s3_object)
            return StoredObject(s3_object, path.open("xb+"), mode)
        return StoredObject(s3_object, self.path(s3_object).open("rb"), mode)

    def path(self, s3_object: S3Object | S3Part) -> Path:
        """The file of an object.

        Raises
        ------
        FileNotFoundError
            If it has none.
        """
        name: str | None = vars(s3_object).get(_FILE)
        if name is None:
            raise FileNotFoundError("the object has no content")
        return self.directory / name

    def remove(self, bucket: str, s3_object: Any) -> None:
        """Nothing: the file goes with the object, which whoever just found it may still be about to read."""

    def copy(
        self,
        src_bucket: str,  # noqa: ARG002 - the object knows its file
        src_object: S3Object,
        dest_bucket: str,
        dest_object: S3Object,
    ) -> StoredObject:
        """Give an object what another one has: another name of the same file."""
        source = self.path(src_object)
        os.link(source, self._new(dest_bucket, dest_object))
        dest_object.size = src_object.size
        dest_object.internal_last_modified = time.time_ns()
        copied = self.open(dest_bucket, dest_object)
        # The ETag of an object that was uploaded in parts is no MD5 of its content, so the copy has another.
        copied.know_etag(None if "-" in (src_object.etag or "-") else src_object.etag)
        return copied

    def get_multipart(self, bucket: str, upload_id: S3Multipart) -> StoredMultipart:
        return StoredMultipart(self, bucket, upload_id)

    def remove_multipart(self, bucket: str, s3_multipart: S3Multipart) -> None:
        """Nothing: the files of its parts go with them."""

    def create_bucket(self, bucket: str) -> None:
        (self.directory / bucket).mkdir(exist_ok=True)

    def delete_bucket(self, bucket: str) -> None:
        # Files that a saved state refers to are still in it.
        with contextlib.suppress(OSError):
            (self.directory / bucket).rmdir()

    def adopt(self, objects: Iterable[S3Object | S3Part]) -> None:
        """Know the objects that came back, and remove the files that belong to none of them.

        Raises
        ------
        FileNotFoundError
            If the file of an object is not there.
        """
        known = set()
        for stored in objects:
            if _FILE in vars(stored):
                known.add(path := self.path(stored))
                self._watch(stored, path)
        there = set(self.directory.glob("*/*"))
        if missing := known - there:
            raise FileNotFoundError(f"{len(missing)} objects have lost their files, {min(missing)} for one")
        for path in there - known:
            path.unlink()

    def begin_save(self) -> Callable[[], None]:
        """Called before a state is saved; what it gives is called once that state is the saved one."""
        while self._forgotten:
            self._leaving.append(self._forgotten.popleft())

        def finish() -> None:
            for path in self._leaving:
                path.unlink(missing_ok=True)
            self._leaving.clear()

        return finish

    def _new(self, bucket: str, s3_object: S3Object | S3Part) -> Path:
        """The name of a new file for an object."""
        name = f"{bucket}/{uuid.uuid4().hex}"
        vars(s3_object)[_FILE] = name
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        self._watch(s3_object, path)
        return path

    def _watch(self, s3_object: S3Object | S3Part, path: Path) -> None:
        """Forget a file when nobody has its object any more."""
        weakref.finalize(s3_object, self._forget, path).atexit = False

    def _forget(self, path: Path) -> None:
        if self._keeps:
            self._forgotten.append(path)
        else:
            path.unlink(missing_ok=True)


class DiskS3Provider(S3Provider):
    """LocalStack's S3 over :class:`DiskObjectStore`; the files stay where they are when state is saved."""

    _storage_backend: DiskObjectStore

    def __init__(self, store: DiskObjectStore) -> None:
        super().__init__(store)
        self.objects = store

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        visitor.visit(s3_stores)

    def on_after_state_load(self) -> None:
        super().on_after_state_load()  # type: ignore[no-untyped-call]
        self.objects.adopt(_objects())


def _objects() -> Iterator[S3Object | S3Part]:
    """Every object and every part of an upload."""
    for _account, _region, store in s3_stores.iter_stores():
        for bucket in store.buckets.values():
            # The others are delete markers.
            yield from (
                version
                for version in bucket.objects.values(with_versions=True)
                if isinstance(version, S3Object)
            )
            for upload in bucket.multiparts.values():
                yield upload.object
                yield from upload.parts.values()
