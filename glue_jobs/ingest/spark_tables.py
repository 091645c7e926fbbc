"""Iceberg tables through the library's own Java interface: schema, branches, commits.

What SQL has no words for: partition fields with names, a change that is refused when the table has moved
on, properties of a snapshot that a MERGE makes.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, Sequence

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

from ingest.engines import CommitConflictError, TableName
from ingest.evolution import Evolution
from ingest.iceberg import TABLE_PROPERTIES, IcebergTable, PartitionField
from ingest.manifest import RawFile
from ingest.spark_files import data_files
from ingest.spark_types import quoted

MAIN = "main"
_BRANCH = "ingest_"
_CONFLICTS = (
    "org.apache.iceberg.exceptions.AlreadyExistsException",
    "org.apache.iceberg.exceptions.CommitFailedException",
    "org.apache.iceberg.exceptions.ValidationException",
)
_CHANGES = ("added-data-files", "added-delete-files", "deleted-data-files", "removed-delete-files")


@dataclass
class Stage:
    """A branch that is written to.

    Parameters
    ----------
    branch : str
        Its name.
    snapshot : object
        The Java snapshot that it made of the table; None before, and when nothing changed.
    """

    branch: str
    snapshot: Any = None


class SparkTables:
    """Tables of one catalog of Spark.

    Parameters
    ----------
    spark : SparkSession
    catalog : str
        Its name: ``spark.sql.catalog.NAME`` is an Iceberg ``SparkCatalog``.
    """

    def __init__(self, spark: SparkSession, catalog: str) -> None:
        self._spark = spark
        self._catalog = catalog
        self._jvm: Any = spark.sparkContext._jvm
        self._iceberg = self._jvm.org.apache.iceberg

    def identifier(self, database: str, name: str, branch: str = MAIN) -> str:
        """A table, or a branch of it, in SQL."""
        parts = [self._catalog, database, name] + ([f"branch_{branch}"] if branch != MAIN else [])
        return ".".join(quoted(part) for part in parts)

    def load(self, database: str, name: str) -> Any:
        """The table as it is now."""
        self.refresh(database, name)
        identifier = self.identifier(database, name)
        return self._iceberg.spark.Spark3Util.loadIcebergTable(self._spark._jsparkSession, identifier)

    def refresh(self, database: str, name: str) -> None:
        """Let SQL see the table as it is now."""
        self._spark.sql(f"REFRESH TABLE {self.identifier(database, name)}")

    def create(self, name: TableName, evolution: Evolution) -> None:
        """Make a table.

        Raises
        ------
        CommitConflictError
            If there is one by now.
        """
        schema = self._schema(evolution)
        manager = self._spark._jsparkSession.sessionState().catalogManager()
        catalog = manager.catalog(self._catalog).icebergCatalog()
        identifier = self._iceberg.catalog.TableIdentifier.parse(f"{name.database}.{name.name}")
        properties = self._jvm.java.util.HashMap()
        for key, value in TABLE_PROPERTIES.items():
            properties.put(key, value)
        builder = (
            catalog.buildTable(identifier, schema)
            .withPartitionSpec(self._spec(schema, evolution.partition))
            .withLocation(name.location)
            .withProperties(properties)
        )
        with refusing_conflicts(name.database, name.name):
            builder.create()

    def evolve(self, name: TableName, schema_id: int, evolution: Evolution) -> None:
        """Change a table's schema.

        Raises
        ------
        CommitConflictError
            If it is not the one that the evolution was planned for.
        """
        table = self.load(name.database, name.name)
        with refusing_conflicts(name.database, name.name):
            if table.schema().schemaId() != schema_id:
                raise _conflict(name.database, name.name)
            update = table.updateSchema()
            for old, new in evolution.renamed:
                update = update.renameColumn(old, new)
            if evolution.renamed:
                update.commit()
                update = table.updateSchema()
            for column in evolution.dropped:
                update = update.deleteColumn(column)
            for column, kind in evolution.widened:
                update = update.updateColumn(column, self._type(kind, 0))
            for new_column in evolution.added:
                kind = self._type(new_column.type, 0)
                update = update.addColumn(new_column.name, kind, new_column.doc)
            update.commit()

    @contextmanager
    def staged(self, database: str, name: str, snapshot_id: int) -> Iterator[Stage]:
        """A branch to write to, which becomes ``main`` when the block ends without an error.

        Readers see all of it or nothing, and only if ``main`` still is the snapshot that the branch
        began with. A block that changed no file leaves the table as it is.

        Raises
        ------
        CommitConflictError
            If the table has another current snapshot.
        """
        table = self.load(database, name)
        stage = Stage(f"{_BRANCH}{uuid.uuid4().hex[:12]}")
        with refusing_conflicts(database, name):
            _check_snapshot(table, database, name, snapshot_id)
            manage = table.manageSnapshots()
            for left_over in [ref for ref in table.refs() if ref.startswith(_BRANCH)]:
                manage = manage.removeBranch(left_over)
            manage.createBranch(stage.branch, snapshot_id).commit()
            self.refresh(database, name)
            try:
                yield stage
            except BaseException:
                table.refresh()
                table.manageSnapshots().removeBranch(stage.branch).commit()
                raise
            table.refresh()
            stage.snapshot = _publish(table, stage.branch, database, name, snapshot_id)
        self.refresh(database, name)

    def replace(
        self,
        loaded: Any,
        table: IcebergTable,
        files: Sequence[RawFile],
        properties: Mapping[str, str],
        branch: str = MAIN,
    ) -> None:
        """Make files all there is, in one snapshot; whatever was committed since ``loaded`` is a conflict."""
        everything = self._iceberg.expressions.Expressions.alwaysTrue()
        operation = loaded.newOverwrite().overwriteByRowFilter(everything)
        for file in data_files(self._jvm, loaded, table, files):
            operation = operation.addFile(file)
        for name, value in properties.items():
            operation = operation.set(name, value)
        if table.snapshot_id is not None:
            operation = operation.validateFromSnapshot(table.snapshot_id)
        operation = operation.conflictDetectionFilter(everything)
        operation = operation.validateNoConflictingData().validateNoConflictingDeletes()
        operation.toBranch(branch).commit()

    def execute(self, statement: str, properties: Mapping[str, str]) -> None:
        """Run a statement that commits a snapshot, with properties for its summary.

        ``CommitMetadata`` is Iceberg's way for SQL: they are those of every commit that the thread makes
        in a callable.
        """
        ensure_callback_server_started(self._spark.sparkContext._gateway)
        values = self._jvm.java.util.HashMap()
        for name, value in properties.items():
            values.put(name, value)
        work = _Callable(lambda: self._spark.sql(statement))
        exception = self._jvm.java.lang.Class.forName("java.lang.RuntimeException")
        self._iceberg.spark.CommitMetadata.withCommitProperties(values, work, exception)
        if work.error is not None:
            raise work.error

    def _schema(self, evolution: Evolution) -> Any:
        fields = self._jvm.java.util.ArrayList()
        nested = len(evolution.added)
        optional = self._iceberg.types.Types.NestedField.optional
        for number, column in enumerate(evolution.added, 1):
            nested += column.type.startswith("list<")
            fields.add(optional(number, column.name, self._type(column.type, nested), column.doc))
        return self._iceberg.Schema(fields)

    def _spec(self, schema: Any, partition: Sequence[PartitionField]) -> Any:
        builder = self._iceberg.PartitionSpec.builderFor(schema)
        for field in partition:
            transform, _, width = field.transform.partition("[")
            if width:
                builder = getattr(builder, transform)(field.source, int(width.rstrip("]")), field.name)
            else:
                builder = getattr(builder, transform)(field.source, field.name)
        return builder.build()

    def _type(self, kind: str, element_id: int) -> Any:
        types = self._iceberg.types.Types
        if kind.startswith("list<"):
            return types.ListType.ofOptional(element_id, self._type(kind[len("list<") : -1], 0))
        return types.fromPrimitiveString(kind)


class _Callable:
    """A Python function as Java's ``Callable``; what it raises is kept for the caller."""

    class Java:
        implements = ("java.util.concurrent.Callable",)

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.error: Exception | None = None

    def call(self) -> None:
        try:
            self._function()
        except Exception as error:  # noqa: BLE001 - kept for the caller, on the other side of Java
            self.error = error


@contextmanager
def refusing_conflicts(database: str, name: str) -> Iterator[None]:
    """Say of an error by which Iceberg refuses a commit what it means.

    Raises
    ------
    CommitConflictError
        Instead of it.
    """
    try:
        yield
    except (Py4JJavaError, CapturedException) as error:
        cause = error.java_exception if isinstance(error, Py4JJavaError) else error._origin
        while cause is not None:
            if cause.getClass().getName() in _CONFLICTS:
                raise _conflict(database, name) from error
            cause = cause.getCause()
        raise


def _publish(table: Any, branch: str, database: str, name: str, snapshot_id: int) -> Any:
    head = table.snapshot(table.refs()[branch].snapshotId())
    has_changed = head.snapshotId() != snapshot_id and any(key in head.summary() for key in _CHANGES)
    manage = table.manageSnapshots()
    is_current = table.currentSnapshot().snapshotId() == snapshot_id
    if has_changed and is_current:
        # Iceberg refuses this with an IllegalArgumentException once main is no ancestor of the branch, and
        # with a CommitFailedException when the table changes in this very moment.
        manage = manage.fastForwardBranch(MAIN, branch)
    manage.removeBranch(branch).commit()
    if not is_current:
        raise _conflict(database, name)
    return head if has_changed else None


def _check_snapshot(table: Any, database: str, name: str, snapshot_id: int) -> None:
    current = table.currentSnapshot()
    if current is None or current.snapshotId() != snapshot_id:
        raise _conflict(database, name)


def _conflict(database: str, name: str) -> CommitConflictError:
    return CommitConflictError(
        f"The table {database}.{name} changed while the run was at work; nothing of it was applied."
    )
