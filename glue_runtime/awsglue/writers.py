"""What ``write_dynamic_frame`` and ``write_data_frame`` are."""

from __future__ import annotations

from typing import Any, Mapping, Optional


class DynamicFrameWriter:
    """Writes dynamic frames to sinks.

    Parameters
    ----------
    glue_context : GlueContext
    """

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    def from_options(
        self,
        frame: Any,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.write_dynamic_frame_from_options`."""
        return self._glue_context.write_dynamic_frame_from_options(
            frame, connection_type, connection_options, format, format_options, transformation_ctx
        )

    def from_catalog(
        self,
        frame: Any,
        database: Optional[str] = None,
        table_name: Optional[str] = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.write_dynamic_frame_from_catalog`."""
        return self._glue_context.write_dynamic_frame_from_catalog(
            frame,
            database or kwargs.pop("name_space", None),
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            additional_options,
            catalog_id,
        )

    def from_jdbc_conf(
        self,
        frame: Any,
        catalog_connection: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        catalog_id: Optional[str] = None,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.write_dynamic_frame_from_jdbc_conf`."""
        return self._glue_context.write_dynamic_frame_from_jdbc_conf(
            frame, catalog_connection, connection_options, redshift_tmp_dir, transformation_ctx, catalog_id
        )


class DataFrameWriter:
    """Writes Spark data frames to sinks.

    Parameters
    ----------
    glue_context : GlueContext
    """

    def __init__(self, glue_context: Any) -> None:
        self._glue_context = glue_context

    def from_options(
        self,
        frame: Any,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.write_data_frame_from_options`."""
        return self._glue_context.write_data_frame_from_options(
            frame, connection_type, connection_options, format, format_options, transformation_ctx
        )

    def from_catalog(
        self,
        frame: Any,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> Any:
        """See :meth:`awsglue.context.GlueContext.write_data_frame_from_catalog`."""
        return self._glue_context.write_data_frame_from_catalog(
            frame,
            database,
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            additional_options,
            catalog_id,
            **kwargs,
        )
