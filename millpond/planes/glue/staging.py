"""The folder of a run, and what is brought into it from S3."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from millpond.planes.common.context import PlaneContext
from millpond.planes.glue import modules, versions
from millpond.planes.glue.exceptions import LaunchError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# AWS's buckets, one a region, that jobs of Glue Studio name in ``--extra-py-files``.
_STUDIO_BUCKETS = "aws-glue-studio-transforms-"


@dataclass(frozen=True)
class RunFolder:
    """Where everything of one run is; readable by its owner only.

    Parameters
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def work(self) -> Path:
        """Working directory of the script, which lies in it."""
        return self.path / "work"

    @property
    def libraries(self) -> Path:
        return self.path / "lib"

    @property
    def jars(self) -> Path:
        return self.path / "jars"

    @property
    def conf(self) -> Path:
        return self.path / "conf"

    @property
    def tmp(self) -> Path:
        """Removed when the run ends, also where the folder is kept."""
        return self.path / "tmp"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.log"

    @property
    def failure(self) -> Path:
        return self.path / "failure.json"

    @property
    def measures(self) -> Path:
        """What Spark has counted, of a run with metrics."""
        return self.path / "measures.json"

    @property
    def quality(self) -> Path:
        """What the script publishes of data quality, a result a line."""
        return self.path / "quality.jsonl"

    @property
    def bookmark(self) -> Path:
        """What a script is told of the bookmarks of its job."""
        return self.path / "bookmark.json"

    @property
    def committed_bookmark(self) -> Path:
        """What ``Job.commit`` keeps; ``awsglue.bookmarks`` names it so."""
        return self.path / "bookmark.json.committed"

    def create(self) -> None:
        self.path.mkdir(parents=True, mode=0o700)
        for directory in (self.work, self.libraries, self.jars, self.conf, self.tmp):
            directory.mkdir()

    def remove(self, *, is_kept: bool) -> None:
        """Remove the folder, or of one that is kept what is of no use after its run."""
        shutil.rmtree(self.tmp if is_kept else self.path, ignore_errors=True)


def runs_directory(context: PlaneContext) -> Path:
    """Where the folders of job runs are."""
    return context.state_dir / "glue" / "runs"


def is_provided(address: str, glue_runtime: Path) -> bool:
    """Whether a library is one of Glue Studio's own, of which ``glue_runtime`` has another of that name.

    Parameters
    ----------
    address : str
        Of ``--extra-py-files``.
    glue_runtime : Path
        Where they are.

    Raises
    ------
    LaunchError
        If it is one of Glue Studio's that is not there.
    """
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not bucket.startswith(_STUDIO_BUCKETS):
        return False
    if not (glue_runtime / key).is_file():
        raise LaunchError(f"LAUNCH ERROR | The transform {key} of Glue Studio is not available in Millpond.")
    return True


@dataclass(frozen=True)
class Staged:
    """What was brought into a run's folder.

    Parameters
    ----------
    script : Path
        The script.
    path : list of str
        Its libraries, for the ``PYTHONPATH``.
    modules : sequence of str
        Its additional Python modules: requirements, and S3 addresses of wheels.
    wheels : sequence of str
        S3 addresses of the wheels among its libraries, which are unpacked where the others are.
    bring : callable
        Brings an S3 address to the libraries.
    """

    script: Path
    path: list[str]
    modules: Sequence[str]
    wheels: Sequence[str]
    bring: Callable[[str], Path]

    def sources(self) -> tuple[list[str], list[str]]:
        """The source of the script, and those of its libraries."""
        libraries = {Path(one) for one in self.path if Path(one).is_file()}
        beside = {one for directory in self.path for one in Path(directory).glob("*.py")}
        return versions.sources([self.script]), versions.sources(sorted(libraries | beside))

    def bring_modules(self, needed: Iterable[str]) -> list[str]:
        """Modules as an installer takes them: a wheel, or a file of requirements, as a file."""
        brought: list[str] = []
        for one in needed:
            file = self.bring(one) if modules.is_wheel(one) else None
            if file is None:
                brought.append(one)
            elif file.suffix == ".zip":
                brought += _unzipped_wheels(file)
            else:
                brought.append(str(file))
        return brought

    def unpack(self, needed: Iterable[str]) -> None:
        """Put what is in the root of wheels into the directory of the libraries, as pip does.

        Raises
        ------
        LaunchError
            If one is no wheel.
        """
        for address in needed:
            wheel = self.bring(address)
            try:
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(wheel.parent)
            except zipfile.BadZipFile as error:
                raise LaunchError(
                    f"Installation of additional Python modules failed: {address} is not a wheel: {error}"
                ) from error


def _unzipped_wheels(archive: Path) -> list[str]:
    """The wheels in a zip, as files beside it.

    Raises
    ------
    LaunchError
        If it holds none.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [name for name in opened.namelist() if name.endswith(".whl")]
            wheels = [archive.parent / Path(name).name for name in names]
            for name, wheel in zip(names, wheels, strict=True):
                wheel.write_bytes(opened.read(name))
    except zipfile.BadZipFile as error:
        raise LaunchError(
            f"Installation of additional Python modules failed: {archive.name}: {error}"
        ) from error
    if not wheels:
        raise LaunchError(
            f"Installation of additional Python modules failed: {archive.name} holds no wheels."
        )
    return [str(wheel) for wheel in wheels]


def make_directory(client: S3Client, address: str) -> None:
    """Put the object that stands for a directory.

    Raises
    ------
    LaunchError
        If it cannot be put.
    """
    parts = urlsplit(address)
    prefix = parts.path.strip("/")
    try:
        if prefix:
            client.put_object(Bucket=parts.netloc, Key=f"{prefix}/", Body=b"")
    except ClientError as error:
        raise LaunchError(
            f"LAUNCH ERROR | Error writing to S3 for bucket: {parts.netloc}, key: {prefix}/. "
            f"{error.response['Error'].get('Message', '')}"
        ) from error


def download(client: S3Client, address: str, directory: Path) -> Path:
    """Bring one object into a directory, under its own name.

    Parameters
    ----------
    client : S3Client
        Acts for the run's role.
    address : str
        ``s3://bucket/key``.
    directory : Path
        Where to.

    Raises
    ------
    LaunchError
        If it is not an S3 address, or cannot be read; the text is Glue's.
    """
    parts = urlsplit(address)
    bucket, key = parts.netloc, parts.path.lstrip("/")
    if parts.scheme not in ("s3", "s3a", "s3n") or not bucket or not key:
        raise LaunchError(f"LAUNCH ERROR | Invalid S3 path: {address}. Please refer logs for details.")
    target = directory / Path(key).name
    try:
        with target.open("wb") as file:
            shutil.copyfileobj(client.get_object(Bucket=bucket, Key=key)["Body"], file)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise LaunchError(
            f"LAUNCH ERROR | Error downloading from S3 for bucket: {bucket}, key: {key}. "
            f"{error.response['Error'].get('Message', '')} "
            f"(Service: Amazon S3; Status Code: {status}) Please refer logs for details."
        ) from error
    return target
