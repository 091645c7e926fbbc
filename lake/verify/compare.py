"""Compare every enabled table: the database's own answer with Athena's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lake.databases import RefusedQueryError
from lake.scaffold import SourceColumn
from lake.sources import current_source
from lake.verify.canonical import SourceSql
from lake.verify.queries import (
    POSTGRESQL,
    athena_side,
    quarantine_query,
    quarantined_keys,
    quarantined_rows,
    source_side,
)
from lake.verify.structure import Table, read_items
from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.query import QueryFailedError, Row, run_query

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_DIFFERENCES = 5
MAX_BUCKETS = 5
# As many hashes as a query of Athena (262,144 bytes) has room for.
MAX_QUARANTINED_KEYS = 5000
CHECKSUM_MODULUS = 2**64

Ask = Callable[[str], list[Row]]


@dataclass(frozen=True)
class Difference:
    """One row that is not the same on both sides.

    Parameters
    ----------
    key : dict of str to str
        Source columns of the key with their canonical texts; the row's hash for a table without a key.
    rows_onprem, rows_athena : int
        How many rows each side has with this key.
    columns : tuple of str
        Source columns that differ, when both sides have the row once.
    """

    key: dict[str, str | None]
    rows_onprem: int
    rows_athena: int
    columns: tuple[str, ...]

    def __str__(self) -> str:
        name = ", ".join(f"{column}={value}" for column, value in self.key.items())
        if self.columns:
            return f"{name}: differs in {', '.join(self.columns)}"
        if not self.rows_athena:
            return f"{name}: missing in Athena"
        if not self.rows_onprem:
            return f"{name}: only in Athena"
        return f"{name}: {self.rows_onprem} rows in the source, {self.rows_athena} in Athena"


@dataclass(frozen=True)
class TableComparison:
    """What was found of one table.

    Parameters
    ----------
    table_id : str
        ``schema.table`` in the source.
    rows_onprem, rows_athena : int, optional
        Number of rows; None when a side could not be asked.
    checksum_onprem, checksum_athena : str, optional
        Checksum over every column of every row, whatever their order; 16 hexadecimal digits.
    columns : tuple of str
        Source columns whose checksums differ.
    differences : tuple of Difference
        The first rows that differ, by key.
    rows_quarantined : int
        Rows of the source that must be in quarantine instead.
    quarantine_missing : tuple of dict
        The first of those that are not there.
    error : str, optional
        Why the table could not be compared.
    """

    table_id: str
    rows_onprem: int | None = None
    rows_athena: int | None = None
    checksum_onprem: str | None = None
    checksum_athena: str | None = None
    columns: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    rows_quarantined: int = 0
    quarantine_missing: tuple[dict[str, str | None], ...] = ()
    error: str | None = None

    @property
    def is_equal(self) -> bool:
        return (
            self.error is None
            and self.rows_onprem is not None
            and self.rows_onprem == self.rows_athena
            and self.checksum_onprem == self.checksum_athena
            and not self.columns
            and not self.quarantine_missing
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "is_equal": self.is_equal}


@dataclass(frozen=True)
class Summary:
    """The answer to :meth:`lake.verify.queries.Side.summary`."""

    rows: int
    checksum: str
    columns: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Row) -> Summary:
        rows, *sums = (int(value or 0) for value in row)
        checksum, *columns = (f"{value % CHECKSUM_MODULUS:016x}" for value in sums)
        return cls(rows, checksum, tuple(columns))


@dataclass(frozen=True)
class HashedRow:
    """A row of the answer to :meth:`lake.verify.queries.Side.rows`."""

    key_hash: str
    row_hash: str
    cells: Row
    key: Row


def verify(
    settings: Settings,
    aws: Aws,
    *,
    tables: Sequence[str] | None = None,
    progress: Callable[[TableComparison], None] | None = None,
) -> list[TableComparison]:
    """Compare every enabled table of ``job_settings``, in the order of their names.

    All answers of the source come from one snapshot.

    Parameters
    ----------
    settings : Settings
        Names the platform, and the stack's own database.
    aws : Aws
        The stack, or an account, whose credentials may read DynamoDB and secrets and query Athena. The
        source is the database that the jobs' secret names.
    tables : sequence of str, optional
        Only these ``table_id``.
    progress : callable, optional
        Called with each comparison as it is done.

    Raises
    ------
    MillpondError
        If nothing could be compared at all: no settings, no database, an unknown table.
    """
    dynamodb = aws.session.resource("dynamodb", endpoint_url=aws.endpoint_url)
    athena = aws.athena
    items = _choose(read_items(dynamodb, settings.prefix), tables)
    comparisons = []
    masking: dict[str, str] = {}
    source = current_source(settings, aws)
    if any(_is_masked(setting) for setting, _ in items):
        masking = source.sql.masking_settings(_masking_key(settings, aws.secretsmanager))
    with closing(source.open(masking)) as database:
        database.begin_snapshot()
        columns = database.columns(sorted({setting["source_schema"] for setting, _ in items}))
        for setting, structure in items:
            comparison = compare_item(
                setting,
                structure,
                columns,
                ask_onprem=database.ask,
                ask_athena=lambda query: list(run_query(athena, query, workgroup=settings.prefix).rows),
                sql=database.sql,
            )
            comparisons.append(comparison)
            if progress is not None:
                progress(comparison)
    return comparisons


def compare_table(
    table: Table, ask_onprem: Ask, ask_athena: Ask, sql: SourceSql = POSTGRESQL
) -> TableComparison:
    """Compare one table by two questions; the rows are only looked at when the answers differ."""
    unlike = _quarantined_keys(table, ask_onprem, sql)
    if len(unlike) > MAX_QUARANTINED_KEYS:
        found = f"{len(unlike):,} of its keys are in quarantine, and {MAX_QUARANTINED_KEYS:,} can be left out"
        return TableComparison(table.table_id, error=found)
    onprem_side, athena = source_side(table, sql), athena_side(table, unlike)
    left = Summary.from_row(ask_onprem(onprem_side.summary())[0])
    right = Summary.from_row(ask_athena(athena.summary())[0])
    names = [column.source_name for column in table.columns]
    expected, absent = _quarantine(table, ask_onprem, ask_athena, sql)
    comparison = TableComparison(
        rows_quarantined=expected,
        quarantine_missing=tuple(absent[:MAX_DIFFERENCES]),
        table_id=table.table_id,
        rows_onprem=left.rows,
        rows_athena=right.rows,
        checksum_onprem=left.checksum,
        checksum_athena=right.checksum,
        columns=tuple(n for n, a, b in zip(names, left.columns, right.columns, strict=True) if a != b),
    )
    if comparison.is_equal:
        return comparison
    buckets = differing_buckets(ask_onprem(onprem_side.buckets()), ask_athena(athena.buckets()))
    chosen = buckets[:MAX_BUCKETS]
    differences = differing_rows(
        _hashed(ask_onprem(onprem_side.rows(chosen)), len(names)) if chosen else [],
        _hashed(ask_athena(athena.rows(chosen)), len(names)) if chosen else [],
        names,
        table.key,
    )
    return TableComparison(**{**comparison.__dict__, "differences": tuple(differences[:MAX_DIFFERENCES])})


def _quarantine(
    table: Table, ask_onprem: Ask, ask_athena: Ask, sql: SourceSql
) -> tuple[int, list[dict[str, str | None]]]:
    """How many rows must be in quarantine, and which of them are not."""
    query = quarantined_rows(table, sql)
    expected = [json.loads(row[0] or "{}") for row in ask_onprem(query)] if query else []
    if not expected:
        return 0, []
    found = {_as_set(json.loads(row[0] or "{}")) for row in ask_athena(quarantine_query(table))}
    return len(expected), [row for row in expected if _as_set(row) not in found]


def _quarantined_keys(table: Table, ask_onprem: Ask, sql: SourceSql) -> list[str]:
    query = quarantined_keys(table, sql)
    return sorted({row[0] or "" for row in ask_onprem(query)}) if query else []


def _as_set(row: dict[str, str | None]) -> frozenset[tuple[str, str | None]]:
    return frozenset(row.items())


def differing_buckets(onprem: Iterable[Row], athena: Iterable[Row]) -> list[str]:
    """Buckets whose row count or checksum differ, or that one side lacks."""
    left = {row[0]: row[1:] for row in onprem}
    right = {row[0]: row[1:] for row in athena}
    return sorted(b for b in left.keys() | right.keys() if b is not None and left.get(b) != right.get(b))


def differing_rows(
    onprem: Iterable[HashedRow], athena: Iterable[HashedRow], names: Sequence[str], key: Sequence[str]
) -> list[Difference]:
    """Rows that are not the same on both sides, ordered by key."""
    left, right = _by_key(onprem), _by_key(athena)
    differences = []
    for key_hash in left.keys() | right.keys():
        ours, theirs = left.get(key_hash, []), right.get(key_hash, [])
        if Counter(row.row_hash for row in ours) == Counter(row.row_hash for row in theirs):
            continue
        columns: tuple[str, ...] = ()
        if len(ours) == len(theirs) == 1:
            cells = zip(names, ours[0].cells, theirs[0].cells, strict=True)
            columns = tuple(name for name, a, b in cells if a != b)
        shown: dict[str, str | None] = {"row": key_hash}
        if key:
            shown = dict(zip(key, (ours or theirs)[0].key, strict=True))
        differences.append(Difference(shown, len(ours), len(theirs), columns))
    return sorted(differences, key=lambda d: [(len(v or ""), v or "") for v in d.key.values()])


def compare_item(
    setting: dict[str, Any],
    structure: dict[str, Any] | None,
    columns: Sequence[SourceColumn],
    *,
    ask_onprem: Ask,
    ask_athena: Ask,
    sql: SourceSql = POSTGRESQL,
) -> TableComparison:
    """Compare the table of one setting; what stands in the way becomes the comparison's error."""
    table_id = setting["table_id"]
    if structure is None:
        return TableComparison(table_id, error="table_structures has no entry for it")
    try:
        table = Table.from_items(setting, structure)
    except KeyError as error:
        return TableComparison(table_id, error=f"its settings or structure lack {error}")
    actual = [c for c in columns if (c.schema, c.table) == (table.source_schema, table.source_table)]
    table = table.without(table.missing(actual))
    mismatch = table.mismatch(actual)
    if mismatch is not None:
        return TableComparison(table_id, error=mismatch)
    try:
        return compare_table(table, ask_onprem, ask_athena, sql)
    except QueryFailedError as error:
        return TableComparison(table_id, error=f"Athena: {error.what}")
    except RefusedQueryError as error:
        return TableComparison(table_id, error=f"{sql.title}: {error}")


def _choose(
    items: list[tuple[dict[str, Any], dict[str, Any] | None]], tables: Sequence[str] | None
) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    if tables is None:
        return items
    unknown = sorted(set(tables) - {setting["table_id"] for setting, _ in items})
    if unknown:
        raise MillpondError(
            f"No enabled table is called {', '.join(unknown)}.",
            where="job_settings",
            next_step="name tables as schema.table, or none for all",
        )
    return [item for item in items if item[0]["table_id"] in tables]


def _is_masked(setting: dict[str, Any]) -> bool:
    return any(action != "drop" for action in (setting.get("column_actions") or {}).values())


def _masking_key(settings: Settings, secrets: SecretsManagerClient) -> bytes:
    secret_id = f"{settings.project}/{settings.environment}/masking-key"
    try:
        text = secrets.get_secret_value(SecretId=secret_id)["SecretString"]
        return bytes.fromhex(json.loads(text)["key"])
    except secrets.exceptions.ResourceNotFoundException as error:
        raise MillpondError(
            f"The secret {secret_id} has no value, and tables are masked with it.", next_step="make load"
        ) from error
    except (ValueError, KeyError, TypeError):
        raise MillpondError(
            f"The secret {secret_id} is not JSON with a key of hexadecimal digits.", next_step="make load"
        ) from None


def _hashed(rows: Iterable[Row], cells: int) -> list[HashedRow]:
    return [HashedRow(r[0] or "", r[1] or "", r[2 : 2 + cells], r[2 + cells :]) for r in rows]


def _by_key(rows: Iterable[HashedRow]) -> dict[str, list[HashedRow]]:
    result: dict[str, list[HashedRow]] = {}
    for row in rows:
        result.setdefault(row.key_hash, []).append(row)
    return result
