"""Containers that are not of Compose's making, one for a job run or a function, and how they are removed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container

# On containers of single runs: the worker after whose pattern they are made.
OF_WORKER = "org.millpond.glue-worker"
# On those of LocalStack's own Lambda executor, by docker-compose.yml.
OF_PROJECT = "org.millpond.project"
_REMOVAL_SECONDS = 20
_CONFLICT = 409


def remove_labelled(client: DockerClient, labels: Iterable[str]) -> None:
    """Remove the containers that have one of the labels, each written ``name=value``."""
    for label in labels:
        for container in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
            remove_container(container)


def remove_container(container: Container) -> None:
    """Remove a container with its anonymous volumes, or wait for whoever is removing it already."""
    with contextlib.suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code != _CONFLICT:
                raise
            container.wait(condition="removed", timeout=_REMOVAL_SECONDS)
