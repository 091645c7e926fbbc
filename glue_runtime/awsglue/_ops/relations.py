"""Nested records as flat tables that can be joined."""

from __future__ import annotations

from typing import Dict, List

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _paths
from awsglue import gluetypes as glue
from awsglue._content import Content, Part, settle
from awsglue._ops import fields

_ID = "__relation"


def relationalize(content: Content, root: str) -> Dict[str, Content]:
    """Flatten structs and put the elements of each array into a table of its own.

    Parameters
    ----------
    content : Content
    root : str
        Name of the table of the records themselves.

    Returns
    -------
    dict
        Contents by name: ``root``, and ``root_path`` for each array: a row for each element, with ``id``
        (what stands in the array's place), ``index`` (from 0) and the element as ``path.val``.
    """
    tables: Dict[str, Content] = {}
    _flatten(fields.unnest(settle(content)), root, root, tables)
    return tables


def _flatten(content: Content, name: str, root: str, tables: Dict[str, Content]) -> None:
    arrays = [field for field in content.schema if isinstance(field.dataType, glue.ArrayType)]
    if not arrays:
        tables[name] = content
        return
    # The numbers have to be the same in each table, in whatever order and however often they are asked for.
    numbered = content.df.withColumn(_ID, F.monotonically_increasing_id() + 1).localCheckpoint(eager=False)
    parts: List[Part] = []
    for part, column, kind in content.parts():
        if isinstance(kind, glue.ArrayType):
            parts.append((part, F.when(column.isNotNull(), F.col(_ID)), glue.LongType()))
        else:
            parts.append((part, column, kind))
    tables[name] = content.having(numbered).select(parts)
    for field in arrays:
        _flatten(_elements(content.having(numbered), field), f"{root}_{field.name}", root, tables)


def _elements(content: Content, array: glue.Field) -> Content:
    kind = array.dataType
    assert isinstance(kind, glue.ArrayType)
    rows = content.df.select(
        F.col(_ID).alias("id"),
        F.posexplode(F.col(_paths.quote(array.name))).alias("index", "val"),
    )
    parts: List[Part] = [
        ("id", F.col("id"), glue.LongType()),
        ("index", F.col("index"), glue.IntegerType()),
        *fields.flat(f"{array.name}.val", F.col("val"), kind.elementType),
    ]
    return Content(rows, glue.StructType()).select(parts)
