"""Transforms of records."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional

from awsglue.transforms.base import GlueTransform


class Filter(GlueTransform):
    """Keeps the records for which a function is true."""

    def __call__(
        self,
        frame: Any,
        f: Callable[..., Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.filter(f, transformation_ctx, info, stageThreshold, totalThreshold)


class Map(GlueTransform):
    """Applies a function to each record."""

    def __call__(
        self,
        frame: Any,
        f: Callable[..., Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.map(f, transformation_ctx, info, stageThreshold, totalThreshold)


class Join(GlueTransform):
    """Joins two frames where keys are equal."""

    def __call__(
        self,
        frame1: Any,
        frame2: Any,
        keys1: Any,
        keys2: Any,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame1.join(keys1, keys2, frame2, transformation_ctx, info, stageThreshold, totalThreshold)


class Union(GlueTransform):
    """The records of two frames."""

    def __call__(
        self,
        frame1: Any,
        frame2: Any,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame1.union(frame2, transformation_ctx, info, stageThreshold, totalThreshold)


class SplitRows(GlueTransform):
    """Splits a frame in two by comparisons."""

    def __call__(
        self,
        frame: Any,
        comparison_dict: Mapping[str, Mapping[str, Any]],
        name1: str = "frame1",
        name2: str = "frame2",
        transformation_ctx: str = "",
        info: Optional[str] = None,
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.split_rows(
            comparison_dict, name1, name2, transformation_ctx, info, stageThreshold, totalThreshold
        )


class Spigot(GlueTransform):
    """Writes some of the records on their way."""

    def __call__(
        self, frame: Any, path: str, options: Optional[Mapping[str, Any]] = None, transformation_ctx: str = ""
    ) -> Any:
        return frame.spigot(path, options, transformation_ctx)
