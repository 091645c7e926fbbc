"""Rows joined, merged, split and sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths
from awsglue import gluetypes as glue
from awsglue._content import Content, Part, settle, union
from awsglue._ops import fields

_COMPARATORS: Dict[str, Callable[[Column, Any], Column]] = {
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "=": lambda column, value: column == value,
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
}


def join(left: Content, right: Content, keys1: Any, keys2: Any) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.join`."""
    left, right = settle(left), settle(right)
    paths1, paths2 = _keys(keys1), _keys(keys2)
    if len(paths1) != len(paths2):
        raise ValueError(f"a join takes as many keys of one frame as of the other: {keys1!r} and {keys2!r}")
    first, second = _numbered(left, "a"), _numbered(right, "b")
    pairs = zip(paths1, paths2, strict=True)
    condition = reduce(Column.__and__, (first.key(own) == second.key(other) for own, other in pairs))
    parts: List[Part] = []
    for side in (first, second):
        for number, field in enumerate(side.schema):
            name = field.name
            while name in {part[0] for part in parts}:
                name = f".{name}"
            parts.append((name, F.col(f"{side.prefix}{number}"), field.dataType))
    joined = first.df.join(second.df, condition)
    return Content(joined, glue.StructType(), errors=(*left.errors, *right.errors)).select(parts)


@dataclass(frozen=True)
class _Numbered:
    """Records whose columns have numbers for names.

    Frames that come from one another share columns by identity: new names make them differ.
    """

    df: Any
    schema: glue.StructType
    prefix: str

    def key(self, path: _paths.Path) -> Column:
        for number, field in enumerate(self.schema):
            if field.name == path[0]:
                typed = _columns.find(F.col(f"{self.prefix}{number}"), field.dataType, path[1:])
                if typed is not None:
                    return typed[0]
        raise ValueError(f"there is no field {_paths.show(path)} to join by")


def _numbered(content: Content, side: str) -> _Numbered:
    prefix = f"__{side}"
    columns = [
        F.col(_paths.quote(field.name)).alias(f"{prefix}{number}")
        for number, field in enumerate(content.schema)
    ]
    return _Numbered(content.df.select(*columns), content.schema, prefix)


def _keys(keys: Any) -> List[_paths.Path]:
    return [_paths.parse(key) for key in ([keys] if isinstance(keys, str) else keys)]


def merge(content: Content, stage: Content, primary_keys: Any) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.mergeDynamicFrame`."""
    content, stage = settle(content), settle(stage)
    first, second = _numbered(content, "a"), _numbered(stage, "b")
    condition = reduce(
        Column.__and__, (first.key(path).eqNullSafe(second.key(path)) for path in _keys(primary_keys))
    )
    kept = first.df.join(second.df, condition, "left_anti").toDF(*(field.name for field in content.schema))
    return union([content.having(kept), stage])


def split_fields(content: Content, paths: Sequence[str]) -> Tuple[Content, Content]:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.split_fields`."""
    return fields.select_fields(content, paths), fields.drop_fields(content, paths)


def split_rows(content: Content, comparisons: Mapping[str, Mapping[str, Any]]) -> Tuple[Content, Content]:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.split_rows`."""
    content = settle(content)
    conditions = [
        _comparison(content, path, comparator, value)
        for path, comparison in comparisons.items()
        for comparator, value in comparison.items()
    ]
    if not conditions:
        raise ValueError("split_rows takes at least one comparison")
    # What is null compares with nothing, so it stays among the rows that are not split off.
    condition = F.coalesce(reduce(Column.__and__, conditions), F.lit(False))
    return content.having(content.df.filter(condition)), content.having(content.df.filter(~condition))


def _comparison(content: Content, path: str, comparator: str, value: Any) -> Column:
    if comparator not in _COMPARATORS:
        raise ValueError(f"{comparator!r} is no comparator: use one of {', '.join(_COMPARATORS)}")
    typed = fields.find(content, _paths.parse(path))
    if typed is None:
        raise ValueError(f"there is no field {path} to compare")
    column, kind = typed
    # Spark 4 would fail where a text meets a number that it is not; such a text compares with nothing.
    text = glue.StringType()
    if isinstance(value, str) and not isinstance(kind, glue.StringType):
        return _COMPARATORS[comparator](column, _columns.cast(F.lit(value), text, kind))
    if isinstance(value, (int, float)) and isinstance(kind, glue.StringType):
        return _COMPARATORS[comparator](_columns.cast(column, text, glue.DoubleType()), F.lit(value))
    return _COMPARATORS[comparator](column, F.lit(value))


def sample(content: Content, options: Mapping[str, Any]) -> Content:
    """The records that ``spigot`` writes: ``topk`` the first, ``prob`` each with a probability."""
    content = settle(content)
    df = content.df
    if "prob" in options:
        df = df.sample(withReplacement=False, fraction=float(options["prob"]))
    if "topk" in options:
        df = df.limit(int(options["topk"]))
    return content.having(df)
