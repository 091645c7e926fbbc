"""Tables of the Data Catalog that lie in S3."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence
from urllib.parse import unquote

from awsglue import _files
from awsglue import gluetypes as glue
from awsglue._catalog import NULL_PARTITION, Catalog, Partition, Table
from awsglue._content import Content, union
from awsglue._refuse import refuse
from awsglue._sources import formats, s3
from awsglue._sources.scan import Scan, empty

TABLE_FORMATS = ("iceberg", "delta", "hudi")


def read(
    catalog: Catalog,
    database: str,
    table: Table,
    options: Mapping[str, Any],
    *,
    push_down_predicate: str,
    catalog_id: Optional[str],
    bookmark: Any,
) -> Content:
    """The records of a table.

    Parameters
    ----------
    catalog : Catalog
    database : str
    table : Table
        One of files.
    options : mapping
        ``additional_options``.
    push_down_predicate : str
        Which partitions, in Spark SQL.
    catalog_id : str, optional
    bookmark : SourceBookmark
        Says which files are new.
    """
    form = table.classification
    if form in TABLE_FORMATS:
        return read_table_format(catalog.session, database, table, form, options)
    if form not in formats.READERS:
        refuse("create_dynamic_frame.from_catalog", f"a table of classification {form or '(none)'}")
    wanted = _places(
        catalog,
        database,
        table,
        push_down_predicate,
        str(options.get("catalogPartitionPredicate") or ""),
        catalog_id,
    )
    exclusions = [*_files.exclusions_of(options), *_files.exclusions_of(table.parameters)]
    places = {
        partition: _files.files_of(
            catalog.session,
            [partition.location],
            exclusions=exclusions,
            excluded_classes=options.get("excludeStorageClasses") or (),
        )
        for partition in wanted
    }
    every = sorted({file for files in places.values() for file in files})
    chosen = {file.path for file in bookmark.new_files(every, options, s3.bounded)}
    names = {
        partition: [file.path for file in files if file.path in chosen] for partition, files in places.items()
    }
    merged = {**format_options(table, form), **(options if form in ("parquet", "orc") else {})}
    merged = {name: value for name, value in merged.items() if name not in s3._OF_FILES}
    scans = _scans(catalog.session, table, names)
    contents = [formats.read(scan, form, merged) for scan in scans]
    if not contents:
        return empty(catalog.session)
    return contents[0] if len(contents) == 1 else union([_settled(content) for content in contents])


def _settled(content: Content) -> Content:
    from awsglue._content import settle

    return settle(content)


def read_table_format(
    session: Any, database: str, table: Table, form: str, options: Mapping[str, Any]
) -> Content:
    """The records of an Iceberg, Delta or Hudi table."""
    name = str(table.shape["Name"])
    if form == "iceberg":
        return Content.of(session.table(f"glue_catalog.`{database}`.`{name}`"))
    reader = session.read.format(form)
    for option, value in options.items():
        reader = reader.option(option, value)
    return Content.of(reader.load(table.location))


def format_options(table: Table, form: str) -> Dict[str, Any]:
    """What the parameters of a table say of its format, as ``format_options``."""
    parameters = table.parameters
    serde = table.serde.get("Parameters") or {}
    if form == "json":
        path = parameters.get("jsonPath") or serde.get("jsonPath")
        return {"jsonPath": path} if path else {}
    if form == "xml":
        return {"rowTag": parameters.get("rowTag") or serde.get("rowTag")}
    if form != "csv":
        return {}
    skipped = int(parameters.get("skip.header.line.count") or 0)
    if skipped > 1:
        refuse("create_dynamic_frame.from_catalog", f"skip.header.line.count {skipped}")
    separator = (
        serde.get("separatorChar")
        or serde.get("field.delim")
        or parameters.get("delimiter")
        or serde.get("serialization.format")
    )
    if separator == "1" or not separator:
        # Hive's own default, unless it is a table of OpenCSVSerDe or says csv.
        separator = (
            ","
            if "opencsv" in str(table.serde.get("SerializationLibrary")).lower()
            else ("," if parameters.get("classification", "").lower() == "csv" else "\x01")
        )
    csv_options: Dict[str, Any] = {"separator": separator, "skipFirst": bool(skipped)}
    if serde.get("quoteChar"):
        csv_options["quoteChar"] = serde["quoteChar"]
    if serde.get("escapeChar"):
        csv_options["escaper"] = serde["escapeChar"]
    return csv_options


def _places(
    catalog: Catalog,
    database: str,
    table: Table,
    predicate: str,
    expression: str,
    catalog_id: Optional[str],
) -> List[Partition]:
    if not table.partition_keys.fields:
        return [_Place((), table.location)]
    partitions = catalog.partitions(
        database, table, push_down_predicate=predicate, expression=expression, catalog_id=catalog_id
    )
    return [_Place(tuple(partition.values), partition.location) for partition in partitions]


class _Place(Partition):
    """A partition that can be a key of a dictionary."""

    def __hash__(self) -> int:
        return hash((tuple(self.values), self.location))


def _scans(session: Any, table: Table, names: Mapping[Partition, Sequence[str]]) -> List[Scan]:
    """As few scans as there can be: one of all partitions that lie below the table as Hive names them."""
    base = table.location.rstrip("/") + "/"
    together: List[str] = []
    alone: List[Scan] = []
    for partition, files in names.items():
        if not files:
            continue
        if not table.partition_keys.fields or _is_hive(partition, table.partition_keys, base):
            together.extend(files)
        else:
            constants = {
                key.name: None if value == NULL_PARTITION else value
                for key, value in zip(table.partition_keys, partition.values, strict=True)
            }
            alone.append(
                Scan(session, files, keys=table.partition_keys, constants=constants, columns=table.columns)
            )
    if together:
        keys = table.partition_keys
        alone.insert(
            0,
            Scan(session, together, base if keys.fields else "", keys=keys, columns=table.columns),
        )
    return alone


def _is_hive(partition: Partition, keys: glue.StructType, base: str) -> bool:
    if not partition.location.startswith(base):
        return False
    parts = partition.location[len(base) :].strip("/").split("/")
    wanted = [f"{key.name}={value}" for key, value in zip(keys, partition.values, strict=True)]
    return [unquote(part) for part in parts] == wanted
