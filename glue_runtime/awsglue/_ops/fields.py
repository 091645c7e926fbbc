"""Fields chosen, dropped, renamed, mapped and flattened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from pyspark.sql import functions as F  # noqa: N812

from awsglue import _columns, _paths, _schema
from awsglue import gluetypes as glue
from awsglue._content import Content, Part, settle

Mapping = Tuple[str, str, str, str]


def find(content: Content, path: _paths.Path) -> Optional[_columns.Typed]:
    """The column and type at a path; ``None`` when the records have no such field.

    A column that is pending is given as the text it is.
    """
    name, rest = path[0], path[1:]
    if not content.schema.hasField(name):
        return None
    column = F.col(_paths.quote(name))
    if name in content.pending:
        return None if rest else (column, glue.StringType())
    return _columns.find(column, content.schema.getField(name).dataType, rest)


def apply_mapping(content: Content, mappings: Sequence[Any], *, case_sensitive: bool) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.apply_mapping`."""
    full = [_mapping(mapping) for mapping in mappings]
    if any(_schema.parse(kind) is None for _, _, _, kind in full):
        content = settle(content)
    target: Dict[str, Any] = {}
    for source, _, name, kind in full:
        typed = find(content, _resolve(content, _paths.parse(source), case_sensitive=case_sensitive))
        if typed is None:
            continue
        column, own = typed
        wanted = _schema.parse(kind) or own
        _put(target, _paths.parse(name), (_columns.cast(column, own, wanted), wanted))
    return content.select(_built(target))


def _mapping(mapping: Any) -> Mapping:
    parts = tuple(mapping)
    if len(parts) == 4:
        return parts  # type: ignore[return-value]
    if len(parts) == 3:
        return parts[0], "", parts[1], parts[2]
    if len(parts) == 2:
        return parts[0], "", parts[1], ""
    raise ValueError(
        f"a mapping is (source column, source type, target column, target type), not {mapping!r}"
    )


def _resolve(content: Content, path: _paths.Path, *, case_sensitive: bool) -> _paths.Path:
    """The path with the names as they are in the records."""
    names: List[str] = []
    kind: Any = content.schema
    for step in path if not case_sensitive else ():
        fields = kind if isinstance(kind, glue.StructType) else ()
        own = [field for field in fields if field.name.lower() == step.lower()]
        if not own:
            break
        # Spark tells no two of them apart.
        names.append(own[0].name)
        kind = own[0].dataType
    return (*names, *path[len(names) :])


def _put(target: Dict[str, Any], path: _paths.Path, value: _columns.Typed) -> None:
    for step in path[:-1]:
        target = target.setdefault(step, {})
        if not isinstance(target, dict):
            raise ValueError(f"{_paths.show(path)} is mapped to below a field that is mapped to itself")
    target[path[-1]] = value


def _built(target: Dict[str, Any]) -> List[Part]:
    parts: List[Part] = []
    for name, value in target.items():
        if isinstance(value, dict):
            parts.append(_struct(name, _built(value)))
        else:
            parts.append((name, *value))
    return parts


def select_fields(content: Content, paths: Sequence[str]) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.select_fields`."""
    parsed = [_paths.parse(path) for path in _listed(paths)]
    if all(len(path) == 1 for path in parsed):
        return _keep(content, [name for (name,) in parsed if content.schema.hasField(name)])
    content = settle(content)
    target: Dict[str, Any] = {}
    for path in parsed:
        typed = find(content, path)
        if typed is not None:
            _put(target, path, typed)
    return content.select(_built(target))


def drop_fields(content: Content, paths: Sequence[str]) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.drop_fields`."""
    parsed = [_paths.parse(path) for path in _listed(paths)]
    if all(len(path) == 1 for path in parsed):
        gone = {name for (name,) in parsed}
        return _keep(content, [field.name for field in content.schema if field.name not in gone])
    content = settle(content)
    for path in parsed:
        content = change(content, path, lambda _name, _column, _kind: [])
    empty = [field.name for field in content.schema if _is_empty(field.dataType)]
    return _keep(content, [field.name for field in content.schema if field.name not in empty])


def _is_empty(kind: glue.DataType) -> bool:
    return isinstance(kind, glue.StructType) and not kind.fields


def _keep(content: Content, names: Sequence[str]) -> Content:
    schema = glue.StructType([content.schema.getField(name) for name in names])
    df = content.df.select(*(F.col(_paths.quote(name)) for name in names))
    pending = {name: kind for name, kind in content.pending.items() if name in names}
    return replace(content, df=df, schema=schema, pending=pending)


def _listed(paths: Any) -> Sequence[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def change(content: Content, path: _paths.Path, what: _columns.Change) -> Content:
    """The records with the fields at a path replaced; see :func:`awsglue._columns.change`."""
    parts: List[Part] = []
    for name, column, kind in content.parts():
        if name == path[0]:
            parts.extend(_columns.change_field(name, column, kind, path[1:], what))
        else:
            parts.append((name, column, kind))
    return content.select(parts)


def rename_field(content: Content, old: str, new: str) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.rename_field`."""
    content = settle(content)
    source, target = _paths.parse(old), _paths.parse(new)
    typed = find(content, source)
    if typed is None:
        return content
    if source[:-1] == target[:-1]:
        return change(content, source, lambda _, column, kind: [(target[-1], column, kind)])
    rest: List[Part] = []
    for name, column, kind in content.parts():
        gone = name == source[0]
        rest.extend(
            _columns.change_field(name, column, kind, source[1:], lambda *_: [])
            if gone
            else [(name, column, kind)]
        )
    return content.select(_place(rest, target, typed))


def _place(parts: Sequence[Part], path: _paths.Path, value: _columns.Typed) -> List[Part]:
    name, rest = path[0], path[1:]
    if not rest:
        return [*(part for part in parts if part[0] != name), (name, *value)]
    placed: List[Part] = []
    for part, column, kind in parts:
        if part != name:
            placed.append((part, column, kind))
            continue
        if not isinstance(kind, glue.StructType):
            raise ValueError(f"{name} is no struct, so it takes no field {_paths.show(rest)}")
        own = [(field.name, column.getField(field.name), field.dataType) for field in kind]
        placed.append(_struct(name, _place(own, rest, value)))
    if all(part != name for part, _, _ in parts):
        placed.append(_struct(name, _place([], rest, value)))
    return placed


def _struct(name: str, parts: Sequence[Part]) -> Part:
    kind = glue.StructType([glue.Field(part, field_type) for part, _, field_type in parts])
    return name, F.struct(*(column.alias(part) for part, column, _ in parts)), kind


def drop_nulls(content: Content) -> Content:
    """See :class:`awsglue.transforms.DropNullFields`."""
    content = settle(content)
    parts = [part for own_part in content.parts() for part in _without_nulls(*own_part)]
    return content.select(parts)


def _without_nulls(name: str, column: Any, kind: glue.DataType) -> List[Part]:
    if isinstance(kind, glue.NullType):
        return []
    if not isinstance(kind, glue.StructType):
        return [(name, column, kind)]
    inside = [
        part
        for field in kind
        for part in _without_nulls(field.name, column.getField(field.name), field.dataType)
    ]
    if not inside:
        return []
    changed = glue.StructType([glue.Field(part, field_type) for part, _, field_type in inside])
    return [(name, column if changed == kind else _columns.structure(inside, column), changed)]


def unnest(content: Content) -> Content:
    """See :meth:`awsglue.dynamicframe.DynamicFrame.unnest`."""
    return content.select([part for own_part in settle(content).parts() for part in flat(*own_part)])


def flat(name: str, column: Any, kind: glue.DataType) -> List[Part]:
    """A field, or, of a struct, the fields in it, named by their paths."""
    if not isinstance(kind, glue.StructType):
        return [(name, column, kind)]
    return [
        part
        for field in kind
        for part in flat(f"{name}.{field.name}", column.getField(field.name), field.dataType)
    ]
