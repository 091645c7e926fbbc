"""``GlueContext``: the Spark session of a job, and what Glue adds to it."""

from __future__ import annotations

import warnings
from typing import Any, Callable, Dict, Mapping, Optional

from pyspark.context import SparkContext
from pyspark.sql import DataFrame, SparkSession, SQLContext

from awsglue import _kinesis_format, _lifecycle, _streaming, gluetypes
from awsglue._catalog import Catalog
from awsglue._content import Content
from awsglue._ops.records import from_records
from awsglue._refuse import refuse
from awsglue._schema import struct_to_spark
from awsglue._sources import catalog as catalog_source
from awsglue._sources import connectors, dynamodb, jdbc, s3
from awsglue.data_sink import FILE_TYPES, DataSink
from awsglue.data_source import DataSource
from awsglue.dynamicframe import DynamicFrame, DynamicFrameCollection
from awsglue.job import Job
from awsglue.readers import DataFrameReader, DynamicFrameReader, DynamicFrameSampleReader
from awsglue.writers import DataFrameWriter, DynamicFrameWriter

_TABLE_FORMATS = ("delta", "hudi", "iceberg")
_NO_OPTIONS: Mapping[str, Any] = {}


class GlueContext(SQLContext):
    """Wraps a ``SparkContext`` as Glue scripts do; it is a ``SQLContext``, too.

    Parameters
    ----------
    sparkContext : SparkContext
        The context of the job.

    Attributes
    ----------
    spark_session : SparkSession
        The session of the job; what it offers (``sql``, ``read``, ``createDataFrame`` …) is also
        reached through the ``GlueContext`` itself.
    create_dynamic_frame, create_data_frame, create_sample_dynamic_frame : readers
        With ``from_catalog``, ``from_options``, ``from_rdd``.
    write_dynamic_frame, write_data_frame : writers
        With ``from_catalog``, ``from_options``, ``from_jdbc_conf``.
    """

    def __init__(self, sparkContext: SparkContext, **_options: Any) -> None:
        session = SparkSession.builder.getOrCreate()
        with warnings.catch_warnings():
            # Spark says that SQLContext is deprecated; a Glue script has no other.
            warnings.simplefilter("ignore", FutureWarning)
            super().__init__(sparkContext, session)
        self._sc = sparkContext
        self._jsc = sparkContext._jsc
        self._jvm = sparkContext._jvm
        self.spark_session = session
        self._catalog = Catalog(session)
        _kinesis_format.serve()
        self.create_dynamic_frame = DynamicFrameReader(self)
        self.create_sample_dynamic_frame = DynamicFrameSampleReader(self)
        self.create_data_frame = DataFrameReader(self)
        self.write_dynamic_frame = DynamicFrameWriter(self)
        self.write_data_frame = DataFrameWriter(self)

    @classmethod
    def getOrCreate(cls, sc: Optional[SparkContext] = None) -> GlueContext:
        """The context over a ``SparkContext``, by default over that of the job."""
        return cls(sc or SparkContext.getOrCreate())

    def get_logger(self) -> Any:
        """The logger of the job, with ``info``, ``warn``, ``error`` …; it writes to the error log."""
        return self._jvm.org.apache.logging.log4j.LogManager.getLogger("GlueLogger")

    def getLogger(self) -> Any:
        """Same as :meth:`get_logger`."""
        return self.get_logger()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(SparkSession, name):
            raise AttributeError(f"'GlueContext' object has no attribute '{name}'")
        return getattr(self.spark_session, name)

    # Dynamic frames from sources

    def getSource(
        self,
        connection_type: str,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        **options: Any,
    ) -> DataSource:
        """A source, of which ``setFormat`` says the format and ``getFrame`` gives the records."""
        return DataSource(self, connection_type, options, transformation_ctx)

    def create_dynamic_frame_from_rdd(
        self,
        data: Any,
        name: str,
        schema: Any = None,
        sample_ratio: Optional[float] = None,
        transformation_ctx: str = "",
    ) -> DynamicFrame:
        """A frame of the elements of an RDD.

        Parameters
        ----------
        data : RDD
            Of dictionaries, or of what ``createDataFrame`` takes.
        name : str
            Of the frame.
        schema : StructType, optional
            Spark's or Glue's; found from the elements without it.
        sample_ratio : float, optional
            As ``createDataFrame`` has it.
        """

        def made() -> Content:
            if schema is None:
                first = data.take(1)
                if first and isinstance(first[0], dict):
                    return from_records(self.spark_session, data)
            spark_schema = struct_to_spark(schema) if isinstance(schema, gluetypes.StructType) else schema
            return Content.of(self.spark_session.createDataFrame(data, spark_schema, sample_ratio))

        return DynamicFrame(made, self, name)

    def create_dynamic_frame_from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        **kwargs: Any,
    ) -> DynamicFrame:
        """The records of a source.

        Parameters
        ----------
        connection_type : str
            ``s3``; ``postgresql``, ``mysql`` … ; ``dynamodb``; ``delta``, ``hudi``, ``iceberg``;
            ``custom.spark``, ``marketplace.spark``.
        connection_options : mapping
            Where it is.
        format : str, optional
            Of files: ``csv``, ``json``, ``parquet``, ``orc``, ``avro``, ``xml``.
        format_options : mapping, optional
        transformation_ctx : str
            Names the source in the bookmark of the job.
        """
        options, details = dict(connection_options or {}), dict(format_options or {})
        kind = connection_type.lower()
        if push_down_predicate:
            refuse("create_dynamic_frame.from_options", "push_down_predicate")
        bookmark = Job._current().source(transformation_ctx)

        def made() -> Content:
            session = self.spark_session
            if kind in FILE_TYPES and str(format).lower() not in _TABLE_FORMATS:
                return s3.read(session, options, format, details, bookmark)
            if kind in jdbc.DRIVERS:
                return jdbc.read(session, self._catalog, kind, options, bookmark)
            if kind == "dynamodb":
                return dynamodb.read(session, options)
            if kind in connectors.KINDS:
                return connectors.read(session, self._catalog, kind, options)
            return Content.of(self._table_format(kind if kind in _TABLE_FORMATS else str(format), options))

        self._check_kind(kind, "create_dynamic_frame.from_options")
        return DynamicFrame(made, self, transformation_ctx)

    @staticmethod
    def _check_kind(kind: str, who: str) -> None:
        known = (*FILE_TYPES, *jdbc.DRIVERS, *connectors.KINDS, "dynamodb", *_TABLE_FORMATS)
        if kind not in known:
            refuse(who, f"connection_type {kind}")

    def _table_format(self, form: str, options: Mapping[str, Any]) -> DataFrame:
        reader_options = {
            name: str(value) for name, value in options.items() if isinstance(value, (str, int, bool))
        }
        path = reader_options.pop("path", None) or (options.get("paths") or [None])[0]
        return self.spark_session.read.format(form.lower()).options(**reader_options).load(path)

    def create_dynamic_frame_from_catalog(
        self,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> DynamicFrame:
        """The records of a table of the Data Catalog.

        Parameters
        ----------
        database, table_name : str
        transformation_ctx : str
            Names the source in the bookmark of the job.
        push_down_predicate : str
            Which partitions, as a condition of Spark SQL over their keys.
        additional_options : mapping, optional
            ``catalogPartitionPredicate``, and options of the kind of source.
        catalog_id : str, optional
            Another account's catalog.
        """
        options = dict(additional_options or {})
        bookmark = Job._current().source(transformation_ctx)

        def made() -> Content:
            table = self._catalog.table(database, table_name, catalog_id)
            if _is_database(table):
                kind, merged = jdbc.catalog_options(table, options)
                return jdbc.read(self.spark_session, self._catalog, kind, merged, bookmark)
            if table.classification == "dynamodb":
                merged = {"dynamodb.input.tableName": _dynamodb_table(table), **options}
                return dynamodb.read(self.spark_session, merged)
            return catalog_source.read(
                self._catalog,
                database,
                table,
                options,
                push_down_predicate=push_down_predicate,
                catalog_id=catalog_id,
                bookmark=bookmark,
            )

        return DynamicFrame(made, self, transformation_ctx or table_name)

    def create_sample_dynamic_frame_from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        num: Optional[int] = None,
        sample_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> DynamicFrame:
        """At most ``num`` records of a source; ``sample_options`` are taken without effect."""
        frame = self.create_dynamic_frame_from_options(
            connection_type, connection_options, format, format_options, transformation_ctx
        )
        return _first(frame, num)

    def create_sample_dynamic_frame_from_catalog(
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
    ) -> DynamicFrame:
        """At most ``num`` records of a table; ``sample_options`` are taken without effect."""
        frame = self.create_dynamic_frame_from_catalog(
            database,
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            push_down_predicate,
            additional_options,
            catalog_id,
        )
        return _first(frame, num)

    # Data frames from sources

    def create_data_frame_from_options(
        self,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        **kwargs: Any,
    ) -> DataFrame:
        """A source as a data frame; of ``kafka`` or ``kinesis``, a streaming one."""
        kind = connection_type.lower()
        if kind in ("kafka", "kinesis"):
            return _streaming.source(self.spark_session, self._catalog, kind, connection_options or {})
        return self.create_dynamic_frame_from_options(
            connection_type,
            connection_options,
            format,
            format_options,
            transformation_ctx,
            push_down_predicate,
            **kwargs,
        ).toDF()

    def create_data_frame_from_catalog(
        self,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        push_down_predicate: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> DataFrame:
        """A table of the Data Catalog as a data frame; of ``kafka`` or ``kinesis``, a streaming one."""
        table = self._catalog.table(database, table_name, catalog_id)
        kind = table.parameters.get("typeOfData", table.classification).lower()
        if kind in ("kafka", "kinesis"):
            options = _streaming.catalog_options(table, kind, additional_options or {})
            return _streaming.source(self.spark_session, self._catalog, kind, options)
        return self.create_dynamic_frame_from_catalog(
            database,
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            push_down_predicate,
            additional_options,
            catalog_id,
            **kwargs,
        ).toDF()

    def get_catalog_schema_as_spark_schema(
        self, database: str, table_name: str, catalog_id: Optional[str] = None
    ) -> Any:
        """The columns of a table of the Data Catalog as a ``StructType`` of Spark's."""
        return struct_to_spark(self._catalog.schema(database, table_name, catalog_id))

    def forEachBatch(
        self,
        frame: DataFrame,
        batch_function: Callable[..., Any],
        options: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Call a function for each micro batch of a streaming data frame, until the stream ends.

        Parameters
        ----------
        frame : DataFrame
            A streaming one.
        batch_function : callable
            Takes a data frame and the number of the batch.
        options : mapping
            ``windowSize``, ``checkpointLocation``, ``batchMaxRetries``.
        """
        _streaming.for_each_batch(frame, batch_function, options or _NO_OPTIONS)

    def add_ingestion_time_columns(self, dataFrame: DataFrame, timeGranularity: str = "") -> DataFrame:
        """Add ``ingest_year``, ``ingest_month`` … down to a granularity: ``day``, ``hour``, ``minute``."""
        return _streaming.with_ingestion_time(dataFrame, timeGranularity)

    # Sinks

    def getSink(
        self,
        connection_type: str,
        format: Optional[str] = None,
        transformation_ctx: str = "",
        **options: Any,
    ) -> DataSink:
        """A sink, of which ``setFormat`` says the format and ``writeFrame`` writes records."""
        sink = DataSink(self, connection_type, options)
        if format:
            sink.setFormat(format)
        return sink

    def write_dynamic_frame_from_options(
        self,
        frame: DynamicFrame,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> DynamicFrame:
        """Write a frame.

        Parameters
        ----------
        frame : DynamicFrame
        connection_type : str
            ``s3``, ``dynamodb``, ``kafka``, or a JDBC kind.
        connection_options : mapping
            ``path``, ``partitionKeys``, ``compression`` …
        format : str, optional
            Of files.
        format_options : mapping, optional
        """
        return self.write_from_options(
            frame, connection_type, connection_options, format, format_options, transformation_ctx
        )

    def write_from_options(
        self,
        frame_or_dfc: Any,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Any = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> Any:
        """Write a frame, or each frame of a collection to a place of its name."""
        if not isinstance(frame_or_dfc, (DynamicFrame, DynamicFrameCollection)):
            raise TypeError("frame_or_dfc must be DynamicFrame or DynamicFrameCollection")
        sink = DataSink(self, connection_type, connection_options or {})
        sink.setFormat(format or None, **(format_options or {}))
        return sink.write(frame_or_dfc)

    def write_dynamic_frame_from_catalog(
        self,
        frame: DynamicFrame,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
    ) -> DynamicFrame:
        """Write a frame to where a table of the Data Catalog is, in its format.

        Parameters
        ----------
        frame : DynamicFrame
        database, table_name : str
        additional_options : mapping, optional
            ``partitionKeys``, ``enableUpdateCatalog``, ``updateBehavior``.
        """
        table = self._catalog.table(database, table_name, catalog_id)
        options: Dict[str, Any] = dict(additional_options or {})
        if _is_database(table):
            kind, merged = jdbc.catalog_options(table, options)
            return self.write_from_options(frame, kind, merged)  # type: ignore[no-any-return]
        form = table.classification
        if form in _TABLE_FORMATS:
            refuse("write_dynamic_frame.from_catalog", f"a table of {form} (use write_data_frame)")
        details = catalog_source.format_options(table, form)
        if form == "csv":
            details = {"separator": details["separator"], "writeHeader": details["skipFirst"]}
        glues_own = str(table.parameters.get("useGlueParquetWriter", "")).lower() == "true"
        sink = DataSink(self, "s3", {"path": table.location, **options})
        sink.setFormat("glueparquet" if form == "parquet" and glues_own else form, **details)
        sink.setCatalogInfo(database, table_name, catalog_id or "")
        return sink.writeFrame(frame)  # type: ignore[no-any-return]

    def write_dynamic_frame_from_jdbc_conf(
        self,
        frame: DynamicFrame,
        catalog_connection: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        catalog_id: Optional[str] = None,
    ) -> DynamicFrame:
        """Write a frame to a table of the database that a connection names.

        Parameters
        ----------
        frame : DynamicFrame
        catalog_connection : str
            Name of the connection.
        connection_options : mapping
            ``dbtable``, ``database``.
        """
        options = {**(connection_options or {}), "connectionName": catalog_connection}
        return self.write_from_options(frame, "jdbc", options)  # type: ignore[no-any-return]

    def write_data_frame_from_options(
        self,
        frame: DataFrame,
        connection_type: str,
        connection_options: Optional[Mapping[str, Any]] = None,
        format: Optional[str] = None,
        format_options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> DataFrame:
        """Write a data frame; see :meth:`write_dynamic_frame_from_options`."""
        kind = connection_type.lower()
        form = kind if kind in _TABLE_FORMATS else str(format or "").lower()
        if form in _TABLE_FORMATS:
            options = dict(connection_options or {})
            writer = frame.write.format(form).mode("append")
            for name, value in options.items():
                if name not in ("path", "partitionKeys"):
                    writer = writer.option(name, value)
            if options.get("partitionKeys"):
                writer = writer.partitionBy(*options["partitionKeys"])
            writer.save(options.get("path"))
            return frame
        self.write_from_options(
            DynamicFrame.fromDF(frame, self, ""), connection_type, connection_options, format, format_options
        )
        return frame

    def write_data_frame_from_catalog(
        self,
        frame: DataFrame,
        database: str,
        table_name: str,
        redshift_tmp_dir: str = "",
        transformation_ctx: str = "",
        additional_options: Optional[Mapping[str, Any]] = None,
        catalog_id: Optional[str] = None,
        **kwargs: Any,
    ) -> DataFrame:
        """Write a data frame to a table of the Data Catalog, also one of Iceberg."""
        table = self._catalog.find(database, table_name, catalog_id)
        if table is None or table.classification == "iceberg":
            frame.writeTo(f"glue_catalog.`{database}`.`{table_name}`").append()
            return frame
        self.write_dynamic_frame_from_catalog(
            DynamicFrame.fromDF(frame, self, ""),
            database,
            table_name,
            redshift_tmp_dir,
            transformation_ctx,
            additional_options,
            catalog_id,
        )
        return frame

    def _write(
        self,
        content: Content,
        connection_type: str,
        options: Mapping[str, Any],
        form: str,
        format_options: Mapping[str, Any],
    ) -> None:
        sink = DataSink(self, connection_type, options)
        sink.setFormat(form, **format_options)
        sink._write(content)

    def extract_jdbc_conf(self, connection_name: str, catalog_id: Optional[str] = None) -> Dict[str, str]:
        """Where a connection leads: ``url``, ``fullUrl``, ``user``, ``password``, ``vendor`` and others."""
        return jdbc.extract_conf(self._catalog, connection_name)

    # Files of S3 that are no longer wanted where they are

    def purge_table(
        self,
        database: str,
        table_name: str,
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        catalog_id: Optional[str] = None,
    ) -> None:
        """Delete files of a table, and partitions of which all files were deleted.

        Parameters
        ----------
        database, table_name : str
        options : mapping, optional
            ``retentionPeriod`` in hours (168), ``partitionPredicate``, ``excludeStorageClasses``,
            ``manifestFilePath``.
        """
        _lifecycle.purge_table(self._catalog, database, table_name, options or _NO_OPTIONS, catalog_id)

    def purge_s3_path(
        self, s3_path: str, options: Optional[Mapping[str, Any]] = None, transformation_ctx: str = ""
    ) -> None:
        """Delete files below a path; see :meth:`purge_table`."""
        _lifecycle.purge_path(self.spark_session, s3_path, options or _NO_OPTIONS)

    def transition_table(
        self,
        database: str,
        table_name: str,
        transition_to: str,
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
        catalog_id: Optional[str] = None,
    ) -> None:
        """Move files of a table to another storage class.

        Parameters
        ----------
        database, table_name : str
        transition_to : str
            The storage class.
        options : mapping
            As of :meth:`purge_table`, and ``accountId`` and ``roleArn``.
        """
        _lifecycle.transition_table(
            self._catalog, database, table_name, transition_to, options or _NO_OPTIONS, catalog_id
        )

    def transition_s3_path(
        self,
        s3_path: str,
        transition_to: str,
        options: Optional[Mapping[str, Any]] = None,
        transformation_ctx: str = "",
    ) -> None:
        """Move files below a path to another storage class; see :meth:`transition_table`."""
        _lifecycle.transition_path(self.spark_session, s3_path, transition_to, options or _NO_OPTIONS)

    # Transactions

    def start_transaction(self, read_only: bool) -> str:
        """Refused: governed tables of Lake Formation are no more."""
        refuse("GlueContext.start_transaction", "governed tables")

    begin_transaction = start_transaction

    def commit_transaction(self, transaction_id: str, wait_for_commit: bool = True) -> bool:
        """Refused; see :meth:`start_transaction`."""
        refuse("GlueContext.commit_transaction", "governed tables")

    def cancel_transaction(self, transaction_id: str) -> bool:
        """Refused; see :meth:`start_transaction`."""
        refuse("GlueContext.cancel_transaction", "governed tables")


def _is_database(table: Any) -> bool:
    return bool(table.parameters.get("connectionName")) and "://" not in table.location


def _dynamodb_table(table: Any) -> str:
    return str(table.location.rsplit("/", 1)[-1])


def _first(frame: DynamicFrame, num: Optional[int]) -> DynamicFrame:
    if num is None:
        return frame
    return frame._then(lambda content: content.having(content.df.limit(num)), frame.name, 0, 0)
