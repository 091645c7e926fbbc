"""What ``create_dynamic_frame``, ``create_data_frame`` and ``create_sample_dynamic_frame`` are."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class DynamicFrameReader:
    """Makes dynamic frames from sources.

    Parameters
    ----------
    glue_context : GlueContext
    """

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    def from_rdd(
        self,
        data: Any,
        name: str,
        schema: Any = None,
        sampleRatio: Optional[float] = None,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_dynamic_frame_from_rdd`."""
        return self._glue_context.create_dynamic_frame_from_rdd(data, name, schema, sampleRatio)

    def from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_dynamic_frame_from_options`."""
        return self._glue_context.create_dynamic_frame_from_options(
            connection_type,
            connection_options,
            format,
            format_options,
            transformation_ctx,
            push_down_predicate,
            **kwargs,
        )

    def from_catalog(
        self,
        database: Optional[str] = None,
        table_name: Optional[str] = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_dynamic_frame_from_catalog`."""
        return self._glue_context.create_dynamic_frame_from_catalog(
            database or kwargs.pop("name_space", None),
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            push_down_predicate,
            additional_options,
            catalog_id,
            **kwargs,
        )


class DynamicFrameSampleReader:
    """Makes dynamic frames of some of a source's records.

    Parameters
    ----------
    glue_context : GlueContext
    """

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    def from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        num: Optional[int] = None,
        sample_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_sample_dynamic_frame_from_options`."""
        return self._glue_context.create_sample_dynamic_frame_from_options(
            connection_type,
            connection_options,
            num,
            sample_options,
            format,
            format_options,
            transformation_ctx,
        )

    def from_catalog(
        self,
        database: str,
        table_name: str,
        num: Optional[int] = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        sample_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_sample_dynamic_frame_from_catalog`."""
        return self._glue_context.create_sample_dynamic_frame_from_catalog(
            database,
            table_name,
            num,
            redshift_tmp_dir,
            transformation_ctx,
            push_down_predicate,
            additional_options,
            sample_options,
            catalog_id,
        )


class DataFrameReader:
    """Makes Spark data frames from sources.

    Parameters
    ----------
    glue_context : GlueContext
    """

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    def from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_data_frame_from_options`."""
        return self._glue_context.create_data_frame_from_options(
            connection_type,
            connection_options,
            format,
            format_options,
            transformation_ctx,
            push_down_predicate,
            **kwargs,
        )

    def from_catalog(
        self,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.create_data_frame_from_catalog`."""
        return self._glue_context.create_data_frame_from_catalog(
            database,
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            push_down_predicate,
            additional_options,
            catalog_id,
            **kwargs,
        )
