"""The rows of a snapshot as one DuckDB query: data files without what the delete files take away."""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from pyiceberg import types as ice
from pyiceberg.manifest import DataFile

from millpond.planes.athena.files import ObjectFiles
from millpond.planes.athena.iceberg import parquet
from millpond.planes.athena.iceberg.plan import PlannedFile
from millpond.planes.athena.iceberg.tables import TableSnapshot
from millpond.planes.athena.iceberg.values import sql_constant
from millpond.planes.athena.types import quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PATH = "$path"
POSITION = "$pos"
_Group = tuple[parquet.Node, bool, frozenset[DataFile], frozenset[DataFile], tuple[tuple[int, str], ...]]


class RowReader:
    """Writes the SQL that reads planned files.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Looks at the files.
    snapshot : TableSnapshot
        What is read.
    files : ObjectFiles, optional
        Where files are read; over HTTP unless told.
    """

    def __init__(
        self, connection: DuckDBPyConnection, snapshot: TableSnapshot, files: ObjectFiles | None = None
    ) -> None:
        self._files = files
        self._places: Mapping[str, str] = {}
        self._shapes = parquet.Shapes(connection)
        self._snapshot = snapshot

    def sql(self, files: Sequence[PlannedFile]) -> str:
        """Every column of the schema by its name in lower case, with ``$path`` and ``$pos``."""
        if self._files is not None:
            self._places = self._files.readable(_paths(files))
        parts = [self._branch(group, members) for group, members in self._groups(files).items()]
        if not parts:
            nulls = [(parquet.column(parquet.Node("", None), f), f.name.lower()) for f in self._fields()]
            nulls += [("CAST(NULL AS VARCHAR)", PATH), ("CAST(NULL AS BIGINT)", POSITION)]
            return f"SELECT {', '.join(f'{e} AS {quote(n)}' for e, n in nulls)} WHERE false"
        return " UNION ALL ".join(parts)

    def _place(self, path: str) -> str:
        """Where a file is read."""
        return self._places.get(path, path)

    def _fields(self) -> tuple[ice.NestedField, ...]:
        return self._snapshot.schema.fields

    def _groups(self, files: Sequence[PlannedFile]) -> dict[_Group, list[PlannedFile]]:
        """Files that one reading can do: of one shape, with the same deletes and the same constants."""
        shapes = self._shapes(self._place(file.path) for file in files)
        groups: dict[_Group, list[PlannedFile]] = {}
        for file in files:
            root = shapes[self._place(file.path)]
            group = (
                root,
                bool(file.own_deletes),
                file.shared_deletes,
                file.equality_deletes,
                tuple(self._constants(file, root).items()),
            )
            groups.setdefault(group, []).append(file)
        return groups

    def _constants(self, file: PlannedFile, root: parquet.Node) -> dict[int, str]:
        """Columns that are not in a file because its partition says what they are."""
        spec = self._snapshot.table.specs()[file.file.spec_id]
        found = {}
        for position, part in enumerate(spec.fields):
            wanted = self._field(part.source_id)
            if wanted is not None and str(part.transform) == "identity" and root.child(wanted) is None:
                found[part.source_id] = sql_constant(file.file.partition[position], wanted.field_type)
        return found

    def _field(self, number: int) -> ice.NestedField | None:
        """A column of this schema, or of the newest that had it."""
        schemas = [*self._snapshot.table.metadata.schemas, self._snapshot.schema]
        fields = {field.field_id: field for schema in schemas for field in schema.fields}
        return fields.get(number)

    def _branch(self, group: _Group, files: Sequence[PlannedFile]) -> str:
        root, _, shared, equality, constants = group
        known = dict(constants)
        columns = [(parquet.column(root, f, known.get(f.field_id)), f.name.lower()) for f in self._fields()]
        path = f"f.{quote(parquet.FILE)}"
        path = path if self._files is None else self._files.location(path)
        columns += [(path, PATH), (f"f.{quote(parquet.POSITION)}", POSITION)]
        outer = ", ".join(f"r.{quote(name)}" for _, name in columns)
        compared = sorted({number for delete in equality for number in delete.equality_ids or []})
        for number in compared:
            wanted = self._field(number)
            assert wanted is not None
            columns.append((parquet.column(root, wanted, known.get(number)), f"field {number}"))
        sql = parquet.read([self._place(file.path) for file in files], columns)
        position_deletes = shared.union(*(file.own_deletes for file in files))
        if not position_deletes and not equality:
            return sql
        joins = [*self._position_join(position_deletes), *self._equality_joins(equality)]
        return f"SELECT {outer} FROM ({sql}) AS r {' '.join(joins)}"

    def _position_join(self, deletes: Iterable[DataFile]) -> Iterable[str]:
        paths = sorted(self._place(delete.file_path) for delete in deletes)
        if paths:
            listed = parquet.listed(paths)
            yield (
                f"ANTI JOIN (SELECT file_path, pos FROM read_parquet([{listed}], hive_partitioning = false)) "
                f"AS d ON r.{quote(PATH)} = d.file_path AND r.{quote(POSITION)} = d.pos"
            )

    def _equality_joins(self, deletes: Iterable[DataFile]) -> Iterable[str]:
        by_ids: dict[tuple[int, ...], list[DataFile]] = {}
        for delete in deletes:
            by_ids.setdefault(tuple(sorted(delete.equality_ids or [])), []).append(delete)
        for turn, (numbers, files) in enumerate(by_ids.items()):
            names = [f"field {number}" for number in numbers]
            on = " AND ".join(f"r.{quote(n)} IS NOT DISTINCT FROM e{turn}.{quote(n)}" for n in names)
            yield f"ANTI JOIN ({self._deleted_values(numbers, files)}) AS e{turn} ON {on}"

    def _deleted_values(self, numbers: Sequence[int], files: Sequence[DataFile]) -> str:
        parts = []
        for path, root in self._shapes(sorted(self._place(file.file_path) for file in files)).items():
            columns = []
            for number in numbers:
                wanted = self._field(number)
                assert wanted is not None
                columns.append((parquet.column(root, wanted), f"field {number}"))
            parts.append(parquet.read([path], columns))
        return " UNION ALL ".join(parts)


def _paths(files: Iterable[PlannedFile]) -> Iterator[str]:
    """Every file that is read for the rows of some."""
    for file in files:
        yield file.path
        yield from (delete.file_path for delete in file.deletes)
