"""The parts of the saved state: a service of LocalStack each, and each plane.

What a part has is found in the engine (:func:`collect`), made bytes (:func:`write`) in a process of its own,
and brought back (:func:`load`) before the engine answers its first request.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localstack.services.plugins import SERVICE_PLUGINS

from millpond.base.saved_state import Manifest, SavedState
from millpond.localstack_ext.engine import planes
from millpond.localstack_ext.state import containers, pickling

PLANES: Mapping[str, Callable[[], Any]] = {
    "glue": planes.glue,
    "athena": planes.athena,
    "codebuild": planes.codebuild,
    "firehose": planes.firehose,
    "kinesis": planes.kinesis,
}

# Services that fetch from others when they come back: a function its code from S3, its event sources.
CALL_OTHERS = ("lambda", "secretsmanager")


@dataclass(frozen=True)
class Part:
    """The state of a service, or of its plane, as it is in the engine.

    Parameters
    ----------
    name : str
        ``service-NAME`` or ``plane-NAME``.
    content : object
        Containers of the service, or what the planes keep.
    directories : list of Path
        What it has on disk.
    """

    name: str
    content: Any
    directories: list[Path]


def collect(services: Iterable[str]) -> list[Part]:
    """The parts of services that the engine has loaded."""
    parts = []
    loaded = containers.loaded()
    for name in sorted(set(services)):
        if (service := loaded.get(name)) is not None:
            service.lifecycle_hook.on_before_state_save()
            held, directories = containers.containers_of(service), containers.directories_of(service)
            if held or directories:
                parts.append(Part(f"service-{name}", held, directories))
        if name in PLANES and PLANES[name].cache_info().currsize:  # type: ignore[attr-defined]
            parts.append(Part(f"plane-{name}", PLANES[name]().state(), []))
    return parts


def write(saved: SavedState, part: Part, number: int) -> dict[str, str]:
    """Write a part; names of parts → names of files."""
    written = {part.name: saved.write(part.name, number, pickling.dumps(part.content))}
    for place, directory in enumerate(part.directories):
        name = f"{part.name}-files{place}"
        copy = saved.directory / f"{name}-{number}"
        shutil.rmtree(copy, ignore_errors=True)
        containers.copy_directory(directory, copy)
        written[name] = copy.name
    return written


def load(saved: SavedState, manifest: Manifest) -> None:
    """Bring back everything that was saved.

    Raises
    ------
    Exception
        Whatever a part raises, with a note that names it: an engine with half of its state must not start.
    """
    services = [
        name.removeprefix("service-")
        for name in manifest.parts
        if name.startswith("service-") and "-files" not in name
    ]
    for name in services:
        with _named(name):
            _load_service(saved, manifest, name)
    for name, plane in PLANES.items():
        if f"plane-{name}" in manifest.parts:
            with _named(name):
                plane().load(pickling.loads(saved.path(manifest, f"plane-{name}").read_bytes()))
    _tell(name for name in services if name not in CALL_OTHERS)


def finish(manifest: Manifest) -> None:
    """Tell the services that call others of what is back; the gateway answers by now."""
    _tell(name for name in CALL_OTHERS if f"service-{name}" in manifest.parts)


def _tell(services: Iterable[str]) -> None:
    for name in services:
        with _named(name):
            SERVICE_PLUGINS.require(name).lifecycle_hook.on_after_state_load()


def _load_service(saved: SavedState, manifest: Manifest, name: str) -> None:
    service = SERVICE_PLUGINS.require(name)
    service.lifecycle_hook.on_before_state_load()
    content = pickling.loads(saved.path(manifest, f"service-{name}").read_bytes())
    for container, kept in zip(containers.containers_of(service), content, strict=True):
        containers.fill(container, kept)
    for place, directory in enumerate(containers.directories_of(service)):
        part = f"service-{name}-files{place}"
        if part in manifest.parts:
            shutil.rmtree(directory, ignore_errors=True)
            shutil.copytree(saved.path(manifest, part), directory)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say whose state it was that an exception came from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while the state of {name} was brought back")
        raise


def reset(services: Iterable[str] = ()) -> list[str]:
    """Forget the state of services, of all that are loaded when none is named; which they were."""
    loaded = containers.loaded()
    wanted = [name for name in loaded if not services or name in set(services)]
    for name in wanted:
        service = loaded[name]
        service.lifecycle_hook.on_before_state_reset()
        for container in containers.containers_of(service):
            containers.empty(container)
        if name in PLANES and PLANES[name].cache_info().currsize:  # type: ignore[attr-defined]
            PLANES[name]().forget()
        service.lifecycle_hook.on_after_state_reset()
    return wanted
