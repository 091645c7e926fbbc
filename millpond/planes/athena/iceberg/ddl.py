"""DDL of Iceberg tables (Athena user guide, "Create Iceberg tables", "Evolve Iceberg table schema").

A table that is dropped loses its data; a change of its schema or properties is a commit like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyiceberg import types as ice
from pyiceberg.exceptions import ValidationError
from pyiceberg.table import Table, Transaction

from millpond.planes.athena import statements as st
from millpond.planes.athena.exceptions import NotSupported, QueryFailed
from millpond.planes.athena.iceberg import properties
from millpond.planes.athena.iceberg.maintenance import drop_data
from millpond.planes.athena.iceberg.schemas import (
    from_sql,
    is_partitioned,
    new_schema,
    partition_name,
    to_hive,
)
from millpond.planes.athena.iceberg.tables import IcebergTables, commit
from millpond.planes.athena.iceberg.transforms import new_spec
from millpond.planes.athena.types import from_hive

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def is_iceberg_statement(statement: st.CreateTable) -> bool:
    """Whether ``CREATE TABLE`` is for an Iceberg table."""
    return statement.properties.get("table_type", "").upper() == "ICEBERG"


def create_table(statement: st.CreateTable, tables: IcebergTables, database: str) -> None:
    """Make a table without rows.

    Raises
    ------
    QueryFailed
        As Athena fails it.
    """
    if statement.is_external:
        raise QueryFailed("", "External keyword not supported for table type ICEBERG")
    if not statement.location:
        raise QueryFailed("", "FAILED: SemanticException Location is required for table type ICEBERG")
    given = {key: value for key, value in statement.properties.items() if key != "table_type"}
    properties.check(given)
    try:
        schema = new_schema([(c.name, from_hive(c.type), c.comment) for c in statement.columns])
    except ValueError as error:
        raise QueryFailed("", f"FAILED: ParseException: {error}") from error
    spec = new_spec(statement.partitions, schema)
    if statement.comment:
        given["comment"] = statement.comment
    tables.create(database, statement.name.table, schema, spec, statement.location, given)


def drop_table(s3: S3Client, table: Table) -> None:
    """Remove the data of a table that has gone from the catalog."""
    drop_data(s3, table)


def alter_table(statement: st.AlterTable, table: Table) -> None:
    """Change columns or properties.

    Raises
    ------
    QueryFailed
        For a column that is not there or is there already, and a type that cannot be changed.
    """
    change = _CHANGES.get(statement.kind)
    if change is None:
        raise NotSupported(f"{statement.kind.replace('_', ' ')} of an Iceberg table")
    try:
        commit(table, lambda transaction: change(transaction, statement, table))
    except (ValueError, ValidationError) as error:
        raise QueryFailed("", f"FAILED: Execution Error, return code 1. {error}") from error


def _add_columns(transaction: Transaction, statement: st.AlterTable, _table: Table) -> None:
    with transaction.update_schema() as update:
        for column in statement.columns:
            update.add_column(column.name, from_sql(from_hive(column.type)), column.comment or None)


def _drop_column(transaction: Transaction, statement: st.AlterTable, table: Table) -> None:
    (name,) = statement.names
    with transaction.update_schema() as update:
        update.delete_column(_exact(table, name))


def _change_column(transaction: Transaction, statement: st.AlterTable, table: Table) -> None:
    (old,), (new,) = statement.names, statement.columns
    old = _exact(table, old)
    wanted = from_sql(from_hive(new.type))
    with transaction.update_schema() as update:
        if str(table.schema().find_type(old)) != str(wanted):
            if not isinstance(wanted, ice.PrimitiveType):
                raise ValueError(f"Cannot change the type of {old} to {wanted}")
            update.update_column(old, field_type=wanted)
        if new.comment:
            update.update_column(old, doc=new.comment)
        if new.name != old.lower():
            update.rename_column(old, new.name)


def _replace_columns(transaction: Transaction, statement: st.AlterTable, table: Table) -> None:
    """Columns that are not listed go; those that are new come."""
    wanted = {column.name: column for column in statement.columns}
    known = {field.name.lower(): field for field in table.schema().fields}
    with transaction.update_schema() as update:
        for name, field in known.items():
            if name not in wanted:
                update.delete_column(field.name)
        for name, column in wanted.items():
            if name not in known:
                update.add_column(name, from_sql(from_hive(column.type)), column.comment or None)


def _set_properties(transaction: Transaction, statement: st.AlterTable, _table: Table) -> None:
    properties.check(statement.properties)
    transaction.set_properties(statement.properties)


def _unset_properties(transaction: Transaction, statement: st.AlterTable, _table: Table) -> None:
    transaction.remove_properties(*statement.names)


def _exact(table: Table, name: str) -> str:
    return table.schema().find_field(name, case_sensitive=False).name


_CHANGES: dict[str, Callable[[Transaction, Any, Table], None]] = {
    "ALTER_TABLE_ADD_COLUMNS": _add_columns,
    "ALTER_TABLE_CHANGE_COLUMN": _change_column,
    "ALTER_TABLE_DROP_COLUMN": _drop_column,
    "ALTER_TABLE_REPLACE_COLUMNS": _replace_columns,
    "ALTER_TABLE_SET_TBLPROPERTIES": _set_properties,
    "ALTER_TABLE_UNSET_TBLPROPERTIES": _unset_properties,
}


def describe(table: Table) -> list[str]:
    """The lines of ``DESCRIBE``: columns, then the partition spec if there is one."""
    schema, spec = table.schema(), table.spec()
    lines = ["# Table schema:\t\t", "# col_name\tdata_type\tcomment"]
    lines += [f"{f.name}\t{to_hive(f.field_type)}\t{f.doc or ''}" for f in schema.fields]
    if is_partitioned(spec):
        lines += ["\t\t", "# Partition spec:\t\t", "# field_name\tfield_transform\tcolumn_name"]
        lines += [f"{f.name}\t{f.transform}\t{schema.find_column_name(f.source_id)}" for f in spec.fields]
    return lines


def show_create(table: Table) -> list[str]:
    """The lines of ``SHOW CREATE TABLE``."""
    schema, spec = table.schema(), table.spec()
    columns = [
        f"  {f.name} {to_hive(f.field_type)}" + (f" COMMENT {quoted(f.doc)}" if f.doc else "")
        for f in schema.fields
    ]
    lines = [f"CREATE TABLE {'.'.join(table.name())} (", *_listed(columns)]
    if is_partitioned(spec):
        lines.append(f"PARTITIONED BY ({', '.join(partition_name(f, schema) for f in spec.fields)})")
    lines += [f"LOCATION {quoted(table.location())}", "TBLPROPERTIES ("]
    shown = {"table_type": "iceberg", **{k: v for k, v in table.properties.items() if k in properties.KNOWN}}
    return lines + _listed([f"  {quoted(key)}={quoted(value)}" for key, value in shown.items()])


def _listed(texts: Sequence[str]) -> list[str]:
    return [*(f"{text}," for text in texts[:-1]), f"{texts[-1]})"]


def quoted(text: str) -> str:
    """A text as DDL has it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
