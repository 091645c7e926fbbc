"""Each format that files are read in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping

from pyspark.sql.utils import AnalysisException

from awsglue._content import Content, union
from awsglue._refuse import refuse
from awsglue._sources.scan import Scan, empty, spark_options
from awsglue._sources.text_formats import read_csv, read_json

Reader = Callable[[Scan, Mapping[str, Any]], Content]

_XML = {
    "rowTag": "rowTag",
    "encoding": "charset",
    "excludeAttribute": "excludeAttribute",
    "treatEmptyValuesAsNulls": "treatEmptyValuesAsNulls",
    "attributePrefix": "attributePrefix",
    "valueTag": "valueTag",
    "ignoreSurroundingSpaces": "ignoreSurroundingSpaces",
}
_GLUES_OWN = ("version", "useGlueParquetWriter", "useVectorizedReader")


def _columnar(form: str) -> Reader:
    def read(scan: Scan, options: Mapping[str, Any]) -> Content:
        reader_options = spark_options(options, _GLUES_OWN)
        if scan.columns is not None and form in ("parquet", "orc"):
            # A table's files need not have the same columns: each has what was there when it was written.
            reader_options.setdefault("mergeSchema", "true")
        try:
            df = scan.load(scan.reader(**reader_options), form)
        except AnalysisException as error:
            if "UNABLE_TO_INFER_SCHEMA" in str(error) or "Unable to infer schema" in str(error):
                return empty(scan.session)
            raise
        except Exception as error:
            if reader_options.get("mergeSchema") == "true" and _cannot_merge(error):
                return scan.with_keys(_one_by_one(scan, reader_options, form))
            raise
        return scan.with_keys(Content.of(df))

    return read


def _cannot_merge(error: Exception) -> bool:
    text = str(error)
    return "merge" in text.lower() and ("schema" in text.lower() or "data type" in text.lower())


def _one_by_one(scan: Scan, reader_options: Mapping[str, Any], form: str) -> Content:
    """Files whose types differ: those of each schema together, then all, as choices."""
    by_schema: Dict[str, List[str]] = {}
    for path in scan.paths:
        schema = replace(scan, paths=[path]).load(scan.reader(**reader_options), form).schema
        by_schema.setdefault(schema.json(), []).append(path)
    parts = [
        Content.of(replace(scan, paths=paths).load(scan.reader(**reader_options), form))
        for paths in by_schema.values()
    ]
    return union(parts)


def _read_avro(scan: Scan, options: Mapping[str, Any]) -> Content:
    try:
        return _columnar("avro")(scan, options)
    except AnalysisException as error:
        if "avro" in str(error).lower() and "deploy" in str(error).lower():
            refuse("format avro", "the connector spark-avro is not among this run's jars, so it")
        raise


def _read_xml(scan: Scan, options: Mapping[str, Any]) -> Content:
    if not options.get("rowTag"):
        raise ValueError("format xml takes the format_option rowTag")
    xml_options = {
        "attributePrefix": "_",
        "valueTag": "_VALUE",
        **{_XML[name]: value for name, value in options.items() if name in _XML},
    }
    xml_options = spark_options(xml_options, ())
    try:
        df = scan.load(scan.reader(**xml_options), "xml")
    except Exception as error:
        if "DATA_SOURCE_NOT_FOUND" in str(error) or "Failed to find data source" in str(error):
            refuse("format xml", "the connector spark-xml is not among this run's jars, so it")
        raise
    return scan.with_keys(Content.of(df))


READERS: Dict[str, Reader] = {
    "avro": _read_avro,
    "csv": read_csv,
    "glueparquet": _columnar("parquet"),
    "json": read_json,
    "orc": _columnar("orc"),
    "parquet": _columnar("parquet"),
    "xml": _read_xml,
}


def read(scan: Scan, form: str, options: Mapping[str, Any]) -> Content:
    """The records of files.

    Parameters
    ----------
    scan : Scan
    form : str
        Name of the format, in any case.
    options : mapping
        ``format_options``.
    """
    reader = READERS.get(form.lower())
    if reader is None:
        refuse("format", form)
    if not scan.paths:
        return empty(scan.session)
    return reader(scan, options)
