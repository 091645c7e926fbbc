"""Iceberg tables in the Glue catalog, through clients of boto3: their files are objects of S3."""

from __future__ import annotations

import io
from types import TracebackType
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.typedef import EMPTY_DICT, Properties

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


class IcebergCatalog(GlueCatalog):
    """pyiceberg's catalog with clients that there are already.

    Parameters
    ----------
    glue : GlueClient
        Has the tables.
    s3 : S3Client
        Has their files.
    """

    def __init__(self, glue: GlueClient, s3: S3Client) -> None:
        super().__init__("awsdatacatalog", client=glue)
        self._objects = S3Objects(s3)

    def _load_file_io(
        self,
        properties: Properties = EMPTY_DICT,  # noqa: ARG002 - pyiceberg's signature
        location: str | None = None,  # noqa: ARG002
    ) -> FileIO:
        return self._objects

    @staticmethod
    def _write_metadata(metadata: TableMetadata, io: FileIO, metadata_path: str) -> None:
        ToOutputFile.table_metadata(for_every_reader(metadata), io.new_output(metadata_path))


def for_every_reader(metadata: TableMetadata) -> TableMetadata:
    """Metadata as every version of Iceberg reads it.

    Where no snapshot is current the specification allows -1 as well as nothing; Iceberg's own writers say -1,
    and its readers before 1.1 (Glue 4.0) take nothing else.
    """
    if metadata.current_snapshot_id is None:
        return metadata.model_copy(update={"current_snapshot_id": -1})
    return metadata


class S3Objects(FileIO):
    """Files below ``s3://``.

    Parameters
    ----------
    s3 : S3Client
        Reads and writes them.
    """

    def __init__(self, s3: S3Client) -> None:
        super().__init__()
        self.s3 = s3

    def new_input(self, location: str) -> InputFile:
        return _Object(self.s3, location)

    def new_output(self, location: str) -> OutputFile:
        return _Object(self.s3, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        bucket, key = split(location if isinstance(location, str) else location.location)
        self.s3.delete_object(Bucket=bucket, Key=key)


def split(location: str) -> tuple[str, str]:
    """Bucket and key of an object."""
    bucket, _, key = location.partition("://")[2].partition("/")
    return bucket, key


class _Object(InputFile, OutputFile):
    def __init__(self, s3: S3Client, location: str) -> None:
        super().__init__(location)
        self._s3 = s3

    def __len__(self) -> int:
        return _length(self._s3, self.location)

    def exists(self) -> bool:
        return _exists(self._s3, self.location)

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - pyiceberg's signature
        bucket, key = split(self.location)
        try:
            return io.BytesIO(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except self._s3.exceptions.NoSuchKey as error:
            raise FileNotFoundError(self.location) from error

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Upload(self._s3, self.location)


class _Upload(io.BytesIO):
    """Holds what is written, and puts it when it is closed without an error."""

    def __init__(self, s3: S3Client, location: str) -> None:
        super().__init__()
        self._s3 = s3
        self._location = location

    def close(self) -> None:
        if not self.closed:
            bucket, key = split(self._location)
            self._s3.put_object(Bucket=bucket, Key=key, Body=self.getvalue())
        super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            super().close()


def _length(s3: S3Client, location: str) -> int:
    bucket, key = split(location)
    return int(s3.head_object(Bucket=bucket, Key=key)["ContentLength"])


def _exists(s3: S3Client, location: str) -> bool:
    try:
        _length(s3, location)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True
