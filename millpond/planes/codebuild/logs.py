"""The log of a build, in CloudWatch Logs while it runs and in S3 when it has ended."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from millpond.planes.codebuild.builds import Build, s3_log_key
from millpond.planes.codebuild.environment import masked
from millpond.planes.common.credentials import Clients
from millpond.planes.common.logs import Destination, LogShipper, Tail


@dataclass
class MaskedTail(Tail):
    """Lines with every hidden value as ``***``.

    Parameters
    ----------
    hidden : list of str
        Values of secrets; it grows as the build learns them.
    """

    hidden: list[str] = field(default_factory=list)

    def lines(self, *, is_last: bool = False) -> list[str]:
        return [masked(line, self.hidden) for line in super().lines(is_last=is_last)]


class BuildLog:
    """What a build says, and what its commands print, in one file that is shipped as it grows.

    Parameters
    ----------
    path : Path
        The file.
    build : Build
        Its ``logs`` say where to.
    clients : Clients
        Of the service itself.
    """

    def __init__(self, path: Path, build: Build, clients: Clients) -> None:
        self._path = path
        self._build = build
        self._clients = clients
        self.hidden: list[str] = []
        group = build.logs.get("groupName")
        targets = (Destination(group, build.logs["streamName"]),) if group else ()
        self._shipper = LogShipper(clients.own("logs"), [(MaskedTail(path, hidden=self.hidden), targets)])
        self._shipper.open()

    def say(self, text: str) -> None:
        """Write a line of CodeBuild's own."""
        now = datetime.now(UTC)
        with self._path.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(f"[Container] {now:%Y/%m/%d %H:%M:%S.%f} {text}\n".encode())

    def ship(self, *, is_last: bool = False) -> None:
        """Send what is new."""
        self._shipper.ship(is_last=is_last)

    def store(self) -> None:
        """Put the whole log into S3, if the project wants it there."""
        wanted = self._build.logs["s3Logs"]
        if wanted["status"] != "ENABLED":
            return
        bucket, key = s3_log_key(wanted["location"], self._build.uuid)
        text = masked(self._path.read_text(errors="replace"), self.hidden)
        self._clients.own("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(text.encode()))
