"""Transforms of fields."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

from awsglue._ops import fields
from awsglue.transforms.base import GlueTransform


class ApplyMapping(GlueTransform):
    """Selects, renames, nests and casts fields."""

    def __call__(
        self,
        frame: Any,
        mappings: Sequence[Any],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        case_sensitive: bool = False,
    ) -> Any:
        return frame.apply_mapping(
            mappings, transformation_ctx, info, stageThreshold, totalThreshold, case_sensitive
        )


class SelectFields(GlueTransform):
    """Keeps some fields only."""

    def __call__(
        self,
        frame: Any,
        paths: Sequence[str],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.select_fields(paths, transformation_ctx, info, stageThreshold, totalThreshold)


class DropFields(GlueTransform):
    """Drops some fields."""

    def __call__(
        self,
        frame: Any,
        paths: Sequence[str],
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.drop_fields(paths, transformation_ctx, info, stageThreshold, totalThreshold)


class DropNullFields(GlueTransform):
    """Drops fields of type ``null``: those that have a value in no record."""

    def __call__(
        self,
        frame: Any,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame._then(fields.drop_nulls, transformation_ctx, stageThreshold, totalThreshold)


class RenameField(GlueTransform):
    """Renames a field."""

    def __call__(
        self,
        frame: Any,
        old_name: str,
        new_name: str,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.rename_field(
            old_name, new_name, transformation_ctx, info, stageThreshold, totalThreshold
        )


class ResolveChoice(GlueTransform):
    """Resolves choices."""

    def __call__(
        self,
        frame: Any,
        specs: Optional[Sequence[Tuple[str, str]]] = None,
        choice: str = "",
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
        database: Optional[str] = None,
        table_name: Optional[str] = None,
        catalog_id: Optional[str] = None,
    ) -> Any:
        return frame.resolveChoice(
            specs,
            choice,
            database,
            table_name,
            transformation_ctx,
            info,
            stageThreshold,
            totalThreshold,
            catalog_id,
        )


class SplitFields(GlueTransform):
    """Splits a frame in two by fields."""

    def __call__(
        self,
        frame: Any,
        paths: Sequence[str],
        name1: Optional[str] = None,
        name2: Optional[str] = None,
        transformation_ctx: str = "",
        info: str = "",
        stageThreshold: int = 0,
        totalThreshold: int = 0,
    ) -> Any:
        return frame.split_fields(
            paths,
            name1 or f"{frame.name}1",
            name2 or f"{frame.name}2",
            transformation_ctx,
            info,
            stageThreshold,
            totalThreshold,
        )
