"""Transforms of nested records."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from awsglue.transforms.base import GlueTransform


class Relationalize(GlueTransform):
    """Flattens records into frames that can be joined."""

    def __call__(
        self,
        frame: Any,
        staging_path: Optional[str] = None,
        name: str = "roottable",
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.relationalize(
            name, staging_path, options, transformation_ctx, info, stageThreshold, totalThreshold
        )


class UnnestFrame(GlueTransform):
    """Makes fields of structs fields of the record."""

    def __call__(
        self,
        frame: Any,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.unnest(transformation_ctx, info, stageThreshold, totalThreshold)


class Unbox(GlueTransform):
    """Makes a text field what the text says."""

    def __call__(
        self,
        frame: Any,
        path: str,
        format: str,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        **options: Any,
    ) -> Any:
        return frame.unbox(path, format, transformation_ctx, info, stageThreshold, totalThreshold, **options)


class SimplifyDdbJson(GlueTransform):
    """Takes the tags of DynamoDB JSON away."""

    def __call__(
        self,
        frame: Any,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.simplify_ddb_json(transformation_ctx, info, stageThreshold, totalThreshold)
