"""Caches: paths that a build finds as an earlier build of the project left them.

Source: "Cache builds to improve performance" in the CodeBuild User Guide. What lies in the source directory
or in the home directory of a build can be kept; on AWS that home is ``/root``. A local cache keeps only
directories, and what the source brings wins over what was kept.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from millpond.planes.codebuild import files
from millpond.planes.common.context import PlaneContext

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_HOME_ON_AWS = "/root/"


def local_directory(context: PlaneContext, project: str) -> Path:
    """Where the local caches of a project are."""
    return context.state_dir / "codebuild" / "cache" / context.account_id / context.region / project


class PathCache:
    """One archive a project, in S3 or in a local directory.

    Parameters
    ----------
    settings : mapping
        ``ProjectCache``.
    project : str
        Name of the project.
    generation : int
        Counts ``InvalidateProjectCache``.
    directory : Path
        Where local caches are.
    s3 : client
        Acts for the build's role.
    """

    def __init__(
        self, settings: Mapping[str, Any], project: str, generation: int, directory: Path, s3: S3Client
    ) -> None:
        self._settings = settings
        self._name = f"{project}-{generation}.tar.gz"
        self._directory = directory
        self._s3 = s3

    @property
    def is_enabled(self) -> bool:
        kind = self._settings["type"]
        return kind == "S3" or (kind == "LOCAL" and "LOCAL_CUSTOM_CACHE" in self._settings["modes"])

    def restore(self, source: Path, home: Path) -> bool:
        """Unpack what was kept; whether there was anything."""
        content = self._read() if self.is_enabled else None
        if content is None:
            return False
        roots = {"source": source, "home": home}
        source_wins = self._settings["type"] == "LOCAL"
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                root, _, name = member.name.partition("/")
                if source_wins and (roots[root] / name).exists():
                    continue
                # Links may lead anywhere, as in a virtual environment; nothing is written through one.
                archive.extract(member.replace(name=name), roots[root], filter="tar")
        return True

    def store(self, source: Path, home: Path, patterns: Sequence[str]) -> int:
        """Keep the files that patterns name; how many."""
        if not self.is_enabled or not patterns:
            return 0
        buffer = io.BytesIO()
        count = 0
        is_local = self._settings["type"] == "LOCAL"
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, path in sorted(set(_kept(source, home, patterns, directories_only=is_local))):
                archive.add(path, name)
                count += 1
        self._write(buffer.getvalue())
        return count

    def _read(self) -> bytes | None:
        if self._settings["type"] == "LOCAL":
            path = self._directory / self._name
            return path.read_bytes() if path.exists() else None
        try:
            content: bytes = self._s3.get_object(**self._object)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return content

    def _write(self, content: bytes) -> None:
        if self._settings["type"] == "LOCAL":
            self._directory.mkdir(parents=True, exist_ok=True)
            (self._directory / self._name).write_bytes(content)
        else:
            self._s3.put_object(**self._object, Body=content)

    @property
    def _object(self) -> dict[str, Any]:
        bucket, _, prefix = self._settings["location"].removeprefix("arn:aws:s3:::").partition("/")
        return {"Bucket": bucket, "Key": f"{prefix.strip('/')}/{self._name}".lstrip("/")}


def forget(directory: Path) -> None:
    """Remove the local caches of a project."""
    shutil.rmtree(directory, ignore_errors=True)


def _kept(
    source: Path, home: Path, patterns: Sequence[str], *, directories_only: bool
) -> Iterator[tuple[str, Path]]:
    for pattern in patterns:
        root, label = source, "source"
        if pattern.startswith(_HOME_ON_AWS):
            root, label, pattern = home, "home", pattern.removeprefix(_HOME_ON_AWS)
        elif pattern.startswith("~/"):
            root, label, pattern = home, "home", pattern.removeprefix("~/")
        elif pattern.startswith(f"{home}/"):
            root, label, pattern = home, "home", pattern.removeprefix(f"{home}/")
        elif pattern.startswith(f"{source}/"):
            pattern = pattern.removeprefix(f"{source}/")
        if Path(pattern).is_absolute() or (directories_only and (root / pattern).is_file()):
            continue
        if (root / pattern).is_dir():
            pattern = f"{pattern.rstrip('/')}/**/*"
        for path in files.matching(root, pattern):
            yield f"{label}/{path.relative_to(root)}", path
