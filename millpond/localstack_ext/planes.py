"""The planes of this engine: one of each, made when first asked for and closed with the engine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from millpond.planes.context import PlaneContext

if TYPE_CHECKING:
    from millpond.planes.glue import GluePlane


@cache
def context() -> PlaneContext:
    """What the harness told this engine of its stack."""
    return PlaneContext.from_environment()


@cache
def glue() -> GluePlane:
    from millpond.planes.glue import GluePlane

    return GluePlane(context())


@cache
def athena() -> Any:
    from millpond.planes import athena

    return athena.AthenaPlane(context()) if hasattr(athena, "AthenaPlane") else None


def close() -> None:
    """End the children of the planes that were used."""
    for plane in (glue, athena):
        if plane.cache_info().currsize and plane():
            plane().close()
