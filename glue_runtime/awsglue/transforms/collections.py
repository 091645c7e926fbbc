"""Transforms of collections of frames, and of what failed."""

from __future__ import annotations

from typing import Any, Callable

from awsglue.transforms.base import GlueTransform


class SelectFromCollection(GlueTransform):
    """One frame of a collection."""

    def __call__(self, dfc: Any, key: str, transformation_ctx: str = "") -> Any:
        return dfc.select(key, transformation_ctx)


class MapToCollection(GlueTransform):
    """What a function makes of each frame of a collection."""

    def __call__(
        self,
        dfc: Any,
        callable: Callable[..., Any],
        transformation_ctx: str = "",
    ) -> Any:
        return dfc.map(callable, transformation_ctx)


class FlatMap(GlueTransform):
    """What a transform makes of each frame of a collection, collections made into one."""

    def __call__(
        self,
        dfc: Any,
        BaseTransform: Any,
        frame_name: str,
        transformation_ctx: str = "",
        **base_kwargs: Any,
    ) -> Any:
        def transformed(frame: Any, context: str) -> Any:
            return BaseTransform.apply(**{frame_name: frame, "transformation_ctx": context, **base_kwargs})

        return dfc.flatmap(transformed, transformation_ctx)


class ErrorsAsDynamicFrame(GlueTransform):
    """The records that failed on the way to a frame."""

    def __call__(self, frame: Any) -> Any:
        return frame.errorsAsDynamicFrame()
