"""The code of functions and layers is unpacked by our own unpacker, and refused where that refuses it."""

from __future__ import annotations

import io
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from localstack.aws.api.lambda_ import InvalidParameterValueException
from localstack.services.lambda_ import provider
from localstack.services.lambda_.invocation import lambda_service
from localstack.services.lambda_.invocation.lambda_models import S3Code
from localstack.services.lambda_.invocation.lambda_service import LambdaService

from millpond.localstack_ext.engine import patches
from millpond.planes.common.unpacking import UnsafeArchiveError, check, unzip

_NOT_UNZIPPED = "Could not unzip uploaded file. Please check your file, then try to upload again."


def install_unpacking() -> None:
    """Refuse what leaves its folder when the function or layer is made, and unpack the others."""
    unpacking = threading.Lock()

    def store(theirs: Any, archive_file: bytes, *arguments: Any, **options: Any) -> Any:
        refuse_unsafe(archive_file)
        return theirs(archive_file, *arguments, **options)

    def prepare(self: S3Code) -> None:
        with unpacking:
            if not self.get_unzipped_code_location().exists():
                _unpack(self)

    # Both modules have the function under a name of their own, so it is replaced in each.
    patches.wrap(provider, "store_lambda_archive", store)
    patches.wrap(lambda_service, "store_lambda_archive", store)
    patches.replace(S3Code, "prepare_for_execution", prepare)


def refuse_unsafe(archive: bytes) -> None:
    """Look at the code of a function or layer.

    Raises
    ------
    InvalidParameterValueException
        If it cannot be unpacked.
    """
    try:
        check(io.BytesIO(archive))
    except UnsafeArchiveError as error:
        raise InvalidParameterValueException(f"{_NOT_UNZIPPED} ({error})", Type="User") from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidParameterValueException(_NOT_UNZIPPED, Type="User") from error


def _unpack(code: S3Code) -> None:
    target = code.get_unzipped_code_location()
    target.parent.mkdir(parents=True, exist_ok=True)
    # It is unpacked beside its place and moved there, so that nobody sees a part of it.
    unpacked = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        with tempfile.TemporaryFile() as file:
            code._download_archive_to_file(file)
            unzip(file, unpacked)
        for path in (unpacked, *unpacked.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        unpacked.rename(target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def install_deletion() -> None:
    """Let a function that failed before it ran be deleted: there is nothing to stop."""

    def stop_version(theirs: Any, self: LambdaService, qualified_arn: str) -> None:
        if qualified_arn in {**self.lambda_running_versions, **self.lambda_starting_versions}:
            theirs(self, qualified_arn)

    patches.wrap(LambdaService, "stop_version", stop_version)
