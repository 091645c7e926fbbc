"""The services of this engine that are planes: each made when first asked for and closed with the engine."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.telemetry import Telemetry

if TYPE_CHECKING:
    from millpond.planes.athena import AthenaPlane
    from millpond.planes.codebuild import CodeBuildPlane
    from millpond.planes.common.regions import Planes
    from millpond.planes.firehose import FirehosePlane
    from millpond.planes.glue import GluePlane
    from millpond.planes.kinesis import KinesisPlane


@cache
def context() -> PlaneContext:
    """What the harness told this engine of its stack."""
    return PlaneContext.from_environment()


@cache
def telemetry() -> Telemetry:
    """Where the services of this engine send their events and metrics."""
    return Telemetry(context())


@cache
def glue() -> Planes[GluePlane]:
    from millpond.localstack_ext.iam.guard import GUARD
    from millpond.planes.glue import serve

    return serve(context(), telemetry(), iam_mode=lambda: GUARD.mode)


@cache
def athena() -> Planes[AthenaPlane]:
    from millpond.localstack_ext.s3.files import link_objects, object_store
    from millpond.planes.athena import serve

    return serve(context(), telemetry(), partial(link_objects, object_store()))


@cache
def codebuild() -> Planes[CodeBuildPlane]:
    from millpond.planes.codebuild import serve

    return serve(context(), telemetry())


@cache
def firehose() -> Planes[FirehosePlane]:
    from millpond.planes.firehose import serve

    return serve(context())


@cache
def kinesis() -> Planes[KinesisPlane]:
    from millpond.planes.kinesis import serve

    return serve(context())


def close() -> None:
    """End the children of the planes that were used."""
    made: tuple[Any, ...] = (firehose, kinesis, codebuild, glue, athena, telemetry)
    for cached in made:
        if cached.cache_info().currsize:
            cached().close()
