"""Where the services of the engine keep their state, as LocalStack's visitors find it.

A provider names its containers by ``accept_state_visitor``: LocalStack's stores, moto's backends, a ``dict``
of its own, directories. The methods of ``StateLifecycleHook`` tell it what becomes of them.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localstack.services.plugins import SERVICE_PLUGINS, Service
from localstack.services.stores import AccountRegionBundle
from localstack.state.core import AssetDirectory, StateVisitor

_SQLITE = (".db", ".sqlite")


class _Containers(StateVisitor):
    def __init__(self) -> None:
        self.containers: list[Any] = []

    def visit(self, state_container: Any) -> None:
        self.containers.append(state_container)


def loaded() -> dict[str, Service]:
    """The services that were asked for since the engine started, by name."""
    return {name: SERVICE_PLUGINS.require(name) for name in SERVICE_PLUGINS.list_loaded_services()}


def containers_of(service: Service) -> list[Any]:
    """What of a service holds state in memory, always in the same order."""
    return [container for container in _visited(service) if not isinstance(container, AssetDirectory)]


def directories_of(service: Service) -> list[Path]:
    """What of a service holds state on disk."""
    return [Path(directory.path) for directory in _visited(service) if isinstance(directory, AssetDirectory)]


def fill(container: Any, content: Any) -> None:
    """Give a container that a service knows what another one had."""
    if isinstance(container, AccountRegionBundle):
        lock = container.lock
        dict.clear(container)
        dict.update(container, content)
        container.__dict__.update(content.__dict__)
        container.lock = lock
    else:
        dict.clear(container)
        dict.update(container, content)


def empty(container: Any) -> None:
    """Take everything out of a container."""
    if isinstance(container, AccountRegionBundle):
        container.reset()  # type: ignore[no-untyped-call]
    dict.clear(container)


def copy_directory(source: Path, target: Path) -> None:
    """Copy a directory that is being written to; databases of SQLite as of one moment."""
    target.mkdir(parents=True, exist_ok=True)
    for path in _files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in _SQLITE:
            with (
                contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database,
                contextlib.closing(sqlite3.connect(copy)) as beside,
            ):
                database.backup(beside)
        else:
            shutil.copyfile(path, copy)


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def _visited(service: Service) -> list[Any]:
    visitor = _Containers()
    service.accept_state_visitor(visitor)
    return visitor.containers
