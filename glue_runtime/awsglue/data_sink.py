"""``DataSink``: where ``getSink`` writes to."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from awsglue import _files
from awsglue._content import Content, exact_names, settle
from awsglue._refuse import refuse
from awsglue._sinks import catalog as catalog_sink
from awsglue._sinks import files as file_sink
from awsglue._sources import connectors, dynamodb, jdbc, kafka
from awsglue._sources.scan import flag

FILE_TYPES = ("s3", "file", "hdfs")


class DataSink:
    """A place to write frames to.

    Parameters
    ----------
    glue_ctx : GlueContext
    connection_type : str
        ``s3``, a JDBC kind, ``dynamodb`` or ``kafka``.
    options : mapping
        ``connection_options``.
    """

    def __init__(self, glue_ctx: Any, connection_type: str, options: Mapping[str, Any]) -> None:
        self._glue_ctx = glue_ctx
        self._connection_type = connection_type
        self._options: Dict[str, Any] = dict(options)
        self._format: Optional[str] = None
        self._format_options: Dict[str, Any] = {}
        self._catalog_info: Optional[Mapping[str, str]] = None

    def setFormat(self, format: Optional[str], **options: Any) -> None:
        """Say in which format.

        Parameters
        ----------
        format : str
            ``json``, ``csv``, ``avro``, ``orc``, ``parquet`` or ``glueparquet``.
        **options
            ``format_options``.
        """
        self._format = format
        self._format_options = dict(options)

    def setAccumulableSize(self, size: int) -> None:
        """Taken without effect: how many error records AWS keeps."""

    def setCatalogInfo(
        self,
        catalogDatabase: str,
        catalogTableName: str,
        catalogId: str = "",
    ) -> None:
        """Say which table of the Data Catalog is made or updated, with ``enableUpdateCatalog``.

        Parameters
        ----------
        catalogDatabase, catalogTableName, catalogId : str
        """
        self._catalog_info = {"database": catalogDatabase, "table": catalogTableName, "id": catalogId}

    def writeFrame(self, dynamic_frame: Any, info: str = "") -> Any:
        """Write a frame.

        Returns
        -------
        DynamicFrame
            The same.
        """
        dynamic_frame.assertErrorThreshold()
        self._write(dynamic_frame._get())
        return dynamic_frame

    def write(self, dynamic_frame_or_dfc: Any, info: str = "") -> Any:
        """Write a frame, or each frame of a collection to a place of its name."""
        from awsglue.dynamicframe import DynamicFrameCollection

        if not isinstance(dynamic_frame_or_dfc, DynamicFrameCollection):
            return self.writeFrame(dynamic_frame_or_dfc, info)
        for name, frame in dynamic_frame_or_dfc.items():
            options = dict(self._options)
            if self._connection_type in FILE_TYPES:
                options["path"] = f"{str(options.get('path', '')).rstrip('/')}/{name}"
            else:
                options["dbtable"] = name
            sink = DataSink(self._glue_ctx, self._connection_type, options)
            sink.setFormat(self._format, **self._format_options)
            sink.writeFrame(frame, info)
        return dynamic_frame_or_dfc

    def _write(self, content: Content) -> None:
        with exact_names(content):
            self._write_exactly(content)

    def _write_exactly(self, content: Content) -> None:
        kind = self._connection_type.lower()
        if kind == "dynamodb":
            dynamodb.write(content, self._options)
        elif kind == "kafka":
            kafka.write(self._glue_ctx._catalog, self._options, content)
        elif kind in jdbc.DRIVERS:
            self._write_jdbc(content)
        elif kind in connectors.KINDS:
            context = self._glue_ctx
            connectors.write(context.spark_session, context._catalog, kind, self._options, content)
        elif kind not in FILE_TYPES:
            refuse("connection_type for output", self._connection_type)
        elif self._catalog_info and flag(self._options, "enableUpdateCatalog"):
            self._write_and_update(settle(content), self._catalog_info)
        else:
            file_sink.write(content, self._options, self._format, self._format_options)

    def _write_jdbc(self, content: Content) -> None:
        where = jdbc.target(self._glue_ctx._catalog, self._connection_type, self._options)
        session = self._glue_ctx.spark_session
        if not where.dbtable:
            raise ValueError("connection_options name no dbtable")
        jdbc.add_driver(session, self._options)
        jdbc.act(session, where, self._options.get("preactions"))
        writer = settle(content).df.write.format("jdbc").options(**where.reader_options())
        batch = self._options.get("bulkSize")
        if batch:
            writer = writer.option("batchsize", str(batch))
        writer.option("dbtable", where.dbtable).mode("append").save()
        jdbc.act(session, where, self._options.get("postactions"))

    def _write_and_update(self, content: Content, info: Mapping[str, str]) -> None:
        form = (self._format or "").lower()
        if form not in file_sink.WRITERS:
            refuse("enableUpdateCatalog", f"format {self._format}")
        catalog, session = self._glue_ctx._catalog, self._glue_ctx.spark_session
        database, name = info["database"].lower(), info["table"].lower()
        table = catalog.find(database, name, info["id"] or None)
        location = str(self._options.get("path") or (table.location if table else ""))
        keys = file_sink.partition_keys(self._options)
        if table is not None:
            catalog_sink.check_keys(table, keys)
        options = {**self._options, "path": location}
        before = set(_files.files_of(session, [location]))
        file_sink.write(content, options, self._format, self._format_options)
        if not content.schema.fields:
            return
        adds = True
        if table is None:
            made = catalog_sink.table_input(name, location, content.schema, keys, form, self._format_options)
            catalog.client.create_table(DatabaseName=database, TableInput=made)
        else:
            behavior = str(self._options.get("updateBehavior") or "UPDATE_IN_DATABASE")
            adds = catalog_sink.update(catalog, database, table, content.schema, keys, behavior)
        if keys and adds:
            new = [file for file in _files.files_of(session, [location]) if file not in before]
            partitions = catalog_sink.partitions_of(location, keys, new)
            catalog_sink.add_partitions(catalog, database, catalog.table(database, name), partitions)
