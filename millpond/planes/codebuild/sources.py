"""Where a build's source comes from: Git, S3, or nowhere.

Source: ``ProjectSource`` in the CodeBuild API Reference, and "Source version sample with AWS CodeBuild" in
the User Guide.
"""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from millpond.planes.codebuild.exceptions import BuildspecError, ClientFailure
from millpond.planes.common.unpacking import UnsafeArchiveError, unzip

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_BUILDSPEC = "buildspec.yml"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKEN_VARIABLE = "CODEBUILD_GIT_TOKEN"  # noqa: S105 (the name of a variable)

RunGit = Callable[[list[str], Mapping[str, str], Path], int]


@dataclass(frozen=True)
class GitCredentials:
    """What Git answers when a server asks who it is; never printed or written."""

    username: str
    token: str

    def to_environment(self) -> dict[str, str]:
        return {_TOKEN_VARIABLE: self.token}

    def setting(self, location: str) -> tuple[str, str]:
        """Key and value of Git's configuration that give one host the token in the environment."""
        address = urlsplit(location)
        answers = f'echo "username={self.username}"; echo "password=${_TOKEN_VARIABLE}"'
        return f"credential.{address.scheme}://{address.netloc}.helper", f"!f() {{ {answers}; }}; f"


@dataclass(frozen=True)
class GitSource:
    """A repository, and what is wanted of it.

    Parameters
    ----------
    location : str
        Address or path.
    version : str or None
        Branch, tag, commit, reference or ``pr/NUMBER``; None for the default branch.
    depth : int
        Commits to fetch; 0 for all.
    has_submodules : bool
        Whether they are fetched.
    is_insecure : bool
        Whether any TLS certificate is accepted.
    label : str
        ``primary source``, or the identifier, for messages.
    """

    location: str
    version: str | None
    depth: int
    has_submodules: bool
    is_insecure: bool
    label: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine's disk."""
        return self.location.startswith(("/", "file://"))

    @classmethod
    def of(cls, source: Mapping[str, Any], version: str | None) -> GitSource:
        identifier = source.get("sourceIdentifier")
        return cls(
            location=source["location"],
            version=version or None,
            depth=int(source.get("gitCloneDepth") or 0),
            has_submodules=bool((source.get("gitSubmodulesConfig") or {}).get("fetchSubmodules")),
            is_insecure=bool(source.get("insecureSsl")),
            label=f"source {identifier}" if identifier else "primary source",
        )


class GitDownload:
    """Fetches repositories.

    Parameters
    ----------
    run : callable
        Runs ``git`` with arguments, environment and a file for what it prints; the exit code.
    environment : mapping
        What every ``git`` gets.
    output : Path
        Scratch file.
    ssh : str
        What Git reaches SSH servers with.
    mirrors : Path, optional
        Where repositories are kept from build to build.
    """

    def __init__(
        self,
        run: RunGit,
        environment: Mapping[str, str],
        output: Path,
        ssh: str,
        mirrors: Path | None = None,
    ) -> None:
        self._run = run
        self._environment = {
            **environment,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_SSH_COMMAND": f"{ssh} -oBatchMode=yes",
        }
        self._output = output
        self._mirrors = mirrors

    def fetch(self, source: GitSource, directory: Path, credentials: GitCredentials | None = None) -> str:
        """Check a source out into an empty directory; the commit.

        Raises
        ------
        ClientFailure
            If the repository or the version cannot be had.
        """
        environment = dict(self._environment)
        prefix: list[str] = []
        if credentials is not None:
            environment |= credentials.to_environment()
            prefix = ["-c", "=".join(credentials.setting(source.location))]
        if source.is_insecure:
            environment["GIT_SSL_NO_VERIFY"] = "1"
        origin = self._mirrored(source, prefix, environment)
        if source.depth and not _COMMIT.fullmatch(source.version or ""):
            self._git(["init", "-q", str(directory)], source, environment)
            reference = _reference(source.version)
            fetch = ["fetch", "-q", f"--depth={source.depth}", origin, reference]
            self._git([*prefix, "-C", str(directory), *fetch], source, environment)
            commit = "FETCH_HEAD"
        else:
            clone = ["clone", "-q", "--no-checkout", origin, str(directory)]
            self._git([*prefix, *clone], source, environment)
            commit = self._find(source, directory, prefix, environment)
        self._git(["-C", str(directory), "checkout", "-q", "--detach", commit], source, environment)
        set_url = ["remote", "set-url" if "origin" in self._remotes(directory) else "add", "origin"]
        self._git(["-C", str(directory), *set_url, source.location], source, environment)
        if source.has_submodules:
            update = ["submodule", "update", "-q", "--init", "--recursive"]
            # Git takes submodules from the disk only if it is told to.
            local = ["-c", "protocol.file.allow=always"] if source.is_local else []
            self._git([*prefix, *local, "-C", str(directory), *update], source, environment)
        return self._answer(directory, ["rev-parse", "HEAD"])

    def _mirrored(self, source: GitSource, prefix: list[str], environment: Mapping[str, str]) -> str:
        if self._mirrors is None:
            return source.location
        mirror = self._mirrors / hashlib.sha256(source.location.encode()).hexdigest()[:24]
        if mirror.exists():
            update = ["-C", str(mirror), "fetch", "-q", "--prune"]
            # Two builds may fetch at once, and one of them find the other's lock: it goes to the source.
            is_fresh = self._run([*prefix, *update], environment, self._output) == 0
            return mirror.as_uri() if is_fresh else source.location
        # The mirror gets its name once it is whole, so a build that breaks off leaves no half of one.
        partial = self._output.with_name("mirror")
        self._git([*prefix, "clone", "-q", "--mirror", source.location, str(partial)], source, environment)
        self._mirrors.mkdir(parents=True, exist_ok=True)
        try:
            partial.rename(mirror)
        except OSError:
            if not mirror.exists():
                raise
            shutil.rmtree(partial)  # another build was first
        return mirror.as_uri()

    def _find(
        self, source: GitSource, directory: Path, prefix: list[str], environment: Mapping[str, str]
    ) -> str:
        if source.version is None:
            return "origin/HEAD"
        if _reference(source.version).startswith("refs/pull/"):
            fetch = ["-C", str(directory), "fetch", "-q", "origin", _reference(source.version)]
            self._git([*prefix, *fetch], source, environment)
            return "FETCH_HEAD"
        name = source.version.removeprefix("refs/heads/")
        for candidate in (f"refs/remotes/origin/{name}", f"refs/tags/{name}", name):
            if commit := self._answer(directory, ["rev-parse", "-q", "--verify", f"{candidate}^{{commit}}"]):
                return commit
        raise ClientFailure(f"reference not found for {source.label} and source version {source.version}")

    def _git(self, arguments: list[str], source: GitSource, environment: Mapping[str, str]) -> None:
        self._output.unlink(missing_ok=True)
        if self._run(arguments, environment, self._output) == 0:
            return
        said = self._output.read_text(errors="replace").splitlines() if self._output.exists() else []
        text = " ".join(line.strip() for line in said if line.strip())
        what = "reference not found" if "find remote ref" in text else "git failed"
        raise ClientFailure(f"{what} for {source.label} and source version {source.version or ''}: {text}")

    def _remotes(self, directory: Path) -> str:
        return self._answer(directory, ["remote"])

    def _answer(self, directory: Path, arguments: list[str]) -> str:
        answer = subprocess.run(
            ["git", "-C", directory, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return answer.stdout.strip()


def _reference(version: str | None) -> str:
    if version is None:
        return "HEAD"
    pull = re.fullmatch(r"pr/(\d+)", version)
    return f"refs/pull/{pull[1]}/head" if pull else version


def fetch_s3(s3: S3Client, location: str, version: str | None, directory: Path) -> str:
    """Bring a ZIP file, or everything below a prefix that ends with a slash; the object's version.

    Raises
    ------
    ClientFailure
        If it cannot be read, or is not a ZIP file.
    """
    bucket, _, key = location.removeprefix("arn:aws:s3:::").partition("/")
    try:
        if key.endswith("/") or not key:
            return _fetch_prefix(s3, bucket, key, directory)
        versioned: dict[str, Any] = {"VersionId": version} if version else {}
        answer = s3.get_object(Bucket=bucket, Key=key, **versioned)
        content = answer["Body"].read()
    except ClientError as error:
        raise ClientFailure(
            f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')} "
            f"for source {location} and source version {version or ''}"
        ) from error
    try:
        unzip(io.BytesIO(content), directory)
    except zipfile.BadZipFile:
        raise ClientFailure(f"the source {location} is not a ZIP file") from None
    except UnsafeArchiveError as error:
        raise ClientFailure(f"the source {location} is not unpacked: {error}") from None
    return str(answer.get("VersionId") or "")


def _fetch_prefix(s3: S3Client, bucket: str, prefix: str, directory: Path) -> str:
    for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in listed.get("Contents", []):
            target = directory / entry["Key"][len(prefix) :]
            if entry["Key"].endswith("/") or not target.resolve().is_relative_to(directory.resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(target))
    return ""


def buildspec_text(s3: S3Client, buildspec: str | None, directory: Path) -> str:
    """The buildspec: given as YAML, as the ARN of an object, as a path in the source, or found in its root.

    Raises
    ------
    BuildspecError
        If there is none.
    """
    buildspec = (buildspec or "").strip()
    if "\n" in buildspec or buildspec.startswith(("version:", "{")):
        return buildspec
    if buildspec.startswith("arn:"):
        bucket, _, key = buildspec.partition(":::")[2].partition("/")
        try:
            return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            raise BuildspecError(f"cannot read {buildspec}: {error.response['Error']['Code']}") from error
    path = directory / (buildspec or DEFAULT_BUILDSPEC)
    if not path.resolve().is_relative_to(directory.resolve()):
        raise BuildspecError(f"{buildspec} is outside the source")
    if not path.is_file():
        raise BuildspecError(f"YAML file does not exist: stat {path}: no such file or directory")
    return path.read_text()


def empty(directory: Path) -> None:
    """Make a directory that is there an empty one."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
