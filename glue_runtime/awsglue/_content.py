"""What a ``DynamicFrame`` holds once it is looked at."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths, _schema
from awsglue import gluetypes as glue

_CASE_SENSITIVE = "spark.sql.caseSensitive"

# A column, its name and its type.
Part = Tuple[str, Column, glue.DataType]


@dataclass(frozen=True)
class Content:
    """Records as a Spark frame, and the schema that tells a choice from a struct.

    Parameters
    ----------
    df : DataFrame
        Laid out as :func:`awsglue._schema.to_spark` says.
    schema : StructType
        Of the records.
    pending : mapping
        Types that the Data Catalog gives to columns of text, which nobody has compared with the texts
        yet. Their schema here is a choice of that type and ``string``; see :func:`settle`.
    errors : tuple of DataFrame
        Records that could not be processed, of each step: ``msg`` and ``record``, both texts.
    """

    df: DataFrame
    schema: glue.StructType
    pending: Mapping[str, glue.DataType] = field(default_factory=dict)
    errors: Tuple[DataFrame, ...] = ()

    @classmethod
    def of(cls, df: DataFrame) -> Content:
        """The content of a data frame, which has no choices.

        A record has one value of a name: of columns with the same name, such as a join of SQL leaves, it is
        the last one's, at the place of the first.
        """
        last = {name: number for number, name in enumerate(df.columns)}
        if len(last) < len(df.columns):
            numbered = df.toDF(*(str(number) for number in range(len(df.columns))))
            df = numbered.select(*(F.col(str(number)).alias(name) for name, number in last.items()))
        return cls(df, _schema.struct_from_spark(df.schema))

    def parts(self) -> List[Part]:
        """The columns of the records."""
        parts = []
        for struct_field in self.schema:
            column = F.col(_paths.quote(struct_field.name))
            if struct_field.name in self.pending:
                column = _columns.from_text(column, struct_field.dataType)
            parts.append((struct_field.name, column, struct_field.dataType))
        return parts

    def select(self, parts: Sequence[Part]) -> Content:
        """The same records with other columns."""
        columns = [column.alias(name) for name, column, _ in parts]
        schema = glue.StructType([glue.Field(name, kind) for name, _, kind in parts])
        return replace(self, df=self.df.select(*columns), schema=schema, pending={})

    def having(self, df: DataFrame) -> Content:
        """Other records with the same columns."""
        return replace(self, df=df)

    def failing(self, *errors: DataFrame) -> Content:
        """The same, with more records that could not be processed."""
        return replace(self, errors=(*self.errors, *errors))


@contextmanager
def exact_names(*contents: Content) -> Iterator[None]:
    """Let Spark tell names apart that differ by case only, where records have such names.

    A record of a ``DynamicFrame`` may have ``serialNumber`` beside ``serialnumber``, as a join of files with
    a table of the Data Catalog makes them. Spark looks at names when an expression is made and when files
    are written; elsewhere it is left as the script has it.
    """
    if not any(_collide(content.schema) for content in contents):
        yield
        return
    conf = contents[0].df.sparkSession.conf
    before = conf.get(_CASE_SENSITIVE, "false")
    conf.set(_CASE_SENSITIVE, "true")
    try:
        yield
    finally:
        conf.set(_CASE_SENSITIVE, before)


def _collide(schema: glue.StructType) -> bool:
    names = [field.name.lower() for field in schema]
    return len(set(names)) < len(names)


def settle(content: Content) -> Content:
    """Compare the texts of pending columns with their types.

    A column whose texts all are of its type gets that type; one with other texts, too, is a choice of the
    type and ``string``. It takes one pass over the data.
    """
    if not content.pending:
        return content
    names = list(content.pending)
    odd = [
        F.max(_columns.is_odd(F.col(_paths.quote(name)), kind)).alias(f"c{number}")
        for number, (name, kind) in enumerate(content.pending.items())
    ]
    is_odd: Dict[str, Any] = dict(zip(names, content.df.agg(*odd).collect()[0], strict=True))
    parts: List[Part] = []
    for struct_field in content.schema:
        column = F.col(_paths.quote(struct_field.name))
        if struct_field.name not in content.pending:
            parts.append((struct_field.name, column, struct_field.dataType))
        elif is_odd[struct_field.name]:
            parts.append(
                (struct_field.name, _columns.from_text(column, struct_field.dataType), struct_field.dataType)
            )
        else:
            kind = content.pending[struct_field.name]
            parts.append((struct_field.name, _columns.cast(column, glue.StringType(), kind), kind))
    return content.select(parts)


def union(contents: Sequence[Content]) -> Content:
    """The records of all, in one schema: fields by name, a choice where their types differ.

    Parameters
    ----------
    contents : sequence of Content
        At least one, all settled.
    """
    schema = reduce(_columns.merge_structs, (content.schema for content in contents))
    frames = [_conformed(content, schema) for content in contents]
    errors = tuple(error for content in contents for error in content.errors)
    return Content(reduce(DataFrame.unionByName, frames), schema, errors=errors)


def _conformed(content: Content, schema: glue.StructType) -> DataFrame:
    have = {name: (column, kind) for name, column, kind in content.parts()}
    columns = []
    for struct_field in schema:
        column, kind = have.get(struct_field.name, (F.lit(None), glue.NullType()))
        columns.append(_columns.conform(column, kind, struct_field.dataType).alias(struct_field.name))
    return content.df.select(*columns)
