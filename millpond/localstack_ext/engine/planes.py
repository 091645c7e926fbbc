"""The planes of this engine: one of each, made when first asked for and closed with the engine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.telemetry import Telemetry

if TYPE_CHECKING:
    from millpond.planes.athena import AthenaPlane
    from millpond.planes.codebuild import CodeBuildPlane
    from millpond.planes.glue import GluePlane


@cache
def context() -> PlaneContext:
    """What the harness told this engine of its stack."""
    return PlaneContext.from_environment()


@cache
def telemetry() -> Telemetry:
    """Where the services of this engine send their events and metrics."""
    return Telemetry(context())


@cache
def glue() -> GluePlane:
    from millpond.planes.glue import GluePlane

    return GluePlane(context(), telemetry())


@cache
def athena() -> AthenaPlane:
    from millpond.planes.athena import AthenaPlane

    return AthenaPlane(context(), telemetry())


@cache
def codebuild() -> CodeBuildPlane:
    from millpond.planes.codebuild import CodeBuildPlane

    return CodeBuildPlane(context())


def close() -> None:
    """End the children of the planes that were used."""
    if codebuild.cache_info().currsize:
        codebuild().close()
    if glue.cache_info().currsize:
        glue().close()
    if athena.cache_info().currsize:
        athena().close()
    if telemetry.cache_info().currsize:
        telemetry().close()
