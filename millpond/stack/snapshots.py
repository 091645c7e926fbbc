"""Snapshots: a whole stack as one file, to be loaded into another one.

A snapshot is a zip archive with what the engine has saved (``saved/``), S3's objects (``objects/``), the
on-premises database as ``pg_dump`` writes it (``onprem.dump``) and ``snapshot.json``. It has the secrets of
the stack in it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.base.saved_state import MANIFEST, SavedState, versions
from millpond.stack.embedded import EmbeddedStack
from millpond.stack.onprem import OnPremDatabase

ABOUT = "snapshot.json"
DUMP = "onprem.dump"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TRIES = 5


@dataclass(frozen=True)
class Snapshot:
    """One that is kept here.

    Parameters
    ----------
    name : str
        Its name.
    path : Path
        Its file.
    created : str
        When it was saved.
    versions : dict
        What it was saved by.
    onprem_port : int
        Where the on-premises database of the stack listened.
    """

    name: str
    path: Path
    created: str
    versions: dict[str, str]
    onprem_port: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size


class Snapshots:
    """The snapshots that a project keeps.

    Parameters
    ----------
    settings : Settings
        The stack that is saved and loaded; snapshots are in ``.millpond/snapshots`` of its project.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.tier != "embedded":
            raise MillpondError(
                "Snapshots are of the tier embedded: the containers keep no state.",
                where=f"the setting tier is {settings.tier}",
                next_step="millpond --tier embedded up",
            )
        self._settings = settings
        self._directory = settings.project_home / "snapshots"

    def all(self) -> list[Snapshot]:
        """All of them, by name."""
        return [_read(path) for path in sorted(self._directory.glob("*.zip"))]

    def find(self, name: str) -> Snapshot:
        """The snapshot of a name, or in a file whose name ends with ``.zip``.

        Raises
        ------
        MillpondError
            If there is none.
        """
        path = Path(name) if name.endswith(".zip") else self._path(name)
        if not path.is_file():
            raise MillpondError(
                f"There is no snapshot {name}.", where=str(path), next_step="millpond snapshot list"
            )
        return _read(path)

    def remove(self, name: str) -> None:
        """Remove one; raises as :meth:`find` does."""
        self.find(name).path.unlink()

    def save(self, name: str, stack: EmbeddedStack) -> Snapshot:
        """Save a running stack, in the place of a snapshot with the same name."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".partial")
        about = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "onprem_port": stack.onprem.port,
        }
        try:
            with (
                _held(self._settings, stack) as held,
                zipfile.ZipFile(_private(beside), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            ):
                archive.writestr(ABOUT, json.dumps(about))
                if self._settings.has_onprem:
                    stack.onprem.dump(held / DUMP)
                for file in sorted(one for one in held.rglob("*") if one.is_file()):
                    # Objects of a lake and the dump are compressed already.
                    kind = zipfile.ZIP_DEFLATED if file.is_relative_to(held / "saved") else zipfile.ZIP_STORED
                    archive.write(file, file.relative_to(held), kind)
            beside.rename(path)
        finally:
            beside.unlink(missing_ok=True)
        return _read(path)

    def unpack(self, snapshot: Snapshot, stack: EmbeddedStack) -> Path | None:
        """Put a snapshot in the place of what a stack has saved, and stop its engine first.

        Returns
        -------
        Path or None
            The file of its dump, if it has one.

        Raises
        ------
        MillpondError
            If other versions have saved it, or the project asks for no database and it has one. Nothing is
            changed then.
        """
        state = self._settings.state
        fresh = state / "loading"
        shutil.rmtree(fresh, ignore_errors=True)
        with zipfile.ZipFile(snapshot.path) as archive:
            archive.extractall(fresh)
        try:
            SavedState(fresh / "saved").require_fitting()
        except MillpondError as error:
            shutil.rmtree(fresh)
            raise MillpondError(
                error.what,
                where=str(snapshot.path),
                next_step="load it with that version, or save one with this",
            ) from error
        has_dump = (fresh / DUMP).exists()
        if has_dump and not self._settings.has_onprem:
            shutil.rmtree(fresh)
            raise MillpondError(
                "The snapshot has an on-premises database, and this project asks for none.",
                where=str(snapshot.path),
                next_step="write a table [onprem] into millpond.toml, then load it again",
            )
        stack.engine.stop()
        for name in ("saved", "objects"):
            shutil.rmtree(state / name, ignore_errors=True)
            if (fresh / name).exists():
                (fresh / name).rename(state / name)
        dump = state / DUMP
        if has_dump:
            (fresh / DUMP).rename(dump)
        shutil.rmtree(fresh)
        return dump if has_dump else None

    def settle(self, snapshot: Snapshot, dump: Path, database: OnPremDatabase) -> list[str]:
        """Bring back the database of a stack that runs, and tell its secrets where it is; which they were."""
        database.restore(dump)
        dump.unlink()
        client = boto3.client(
            "secretsmanager",
            endpoint_url=self._settings.endpoint_url,
            region_name=self._settings.region,
            aws_access_key_id=self._settings.account_id,
            aws_secret_access_key="millpond",  # noqa: S106 (nothing checks it)
        )
        return list(_readdress(client, snapshot.onprem_port, database.secret()))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise MillpondError(
                f"{name} is no name for a snapshot.",
                next_step="choose one of letters, digits, dots, hyphens and underscores, at most 100",
            )
        return self._directory / f"{name}.zip"


def _readdress(client: Any, old_port: int, secret: dict[str, str | int]) -> Iterator[str]:
    """Secrets of the database that was at a port of this machine get what it has here."""
    for page in client.get_paginator("list_secrets").paginate():
        for one in page["SecretList"]:
            try:
                value = json.loads(client.get_secret_value(SecretId=one["ARN"])["SecretString"])
            except (KeyError, ValueError, client.exceptions.ResourceNotFoundException):
                continue
            if not isinstance(value, dict) or not _is_of(value, old_port, secret):
                continue
            now = {**value, **{key: secret[key] for key in ("host", "port", "password")}}
            if now != value:
                client.put_secret_value(SecretId=one["ARN"], SecretString=json.dumps(now))
                yield one["Name"]


def _is_of(value: dict[str, Any], old_port: int, secret: dict[str, str | int]) -> bool:
    return (
        str(value.get("port")) == str(old_port)
        and value.get("host") == secret["host"]
        and value.get("username") == secret["username"]
        and value.get("dbname") == secret["dbname"]
    )


@contextmanager
def _held(settings: Settings, stack: EmbeddedStack) -> Iterator[Path]:
    """A directory with the files of one save; the engine goes on and saves others meanwhile."""
    held = settings.state / "saving"
    try:
        for _ in range(_TRIES):
            shutil.rmtree(held, ignore_errors=True)
            number = stack.engine.save()
            try:
                for name in ("saved", "objects"):
                    if (settings.state / name).exists():
                        shutil.copytree(settings.state / name, held / name, copy_function=os.link)
            except (FileNotFoundError, shutil.Error):
                continue
            manifest = SavedState(held / "saved").manifest() if (held / "saved" / MANIFEST).exists() else None
            if (manifest.number if manifest else 0) == number:
                yield held
                return
        raise MillpondError(
            "The stack changes faster than it can be saved.",
            where=str(settings.state),
            next_step="wait until what runs has ended, then try again",
        )
    finally:
        shutil.rmtree(held, ignore_errors=True)


def _read(path: Path) -> Snapshot:
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ABOUT))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise MillpondError(
            f"The file is no snapshot: {error}.", where=str(path), next_step="remove it"
        ) from error
    return Snapshot(path.stem, path, about["created"], about["versions"], about["onprem_port"])


def _private(path: Path) -> Path:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    return path
