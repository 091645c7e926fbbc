"""A working day at the on-premises site: changes to the schema ``erp``, the same ones for the same seed.

Each kind of change is one file of ``onprem_db/workload``: a statement with the parameters ``n``, a
number that picks the row to change, and ``now``, the moment it happens. Time is the data's own: it
goes on from the last change in the tables, so the same database and seed give the same bytes.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import psycopg

from millpond.base.config import CHECKOUT

STATEMENTS = CHECKOUT / "onprem_db" / "workload"
TICK = timedelta(milliseconds=1, microseconds=1)
PROGRESS_EVERY = 500

KINDS = {
    "place_order": 20,
    "ship_order": 15,
    "amend_order_line": 10,
    "cancel_order": 5,
    "confirm_draft": 2,
    "register_customer": 5,
    "edit_customer": 8,
    "close_customer": 2,
    "reprice_product": 6,
    "withdraw_product": 1,
    "move_stock": 10,
    "correct_stock": 3,
    "take_payment": 8,
    "book_payment": 3,
    "reverse_payment": 2,
    "add_address": 3,
    "edit_address": 3,
    "delete_address": 2,
    "write_audit_log": 6,
    "purge_audit_log": 2,
    "edit_group": 1,
    "list_supplier": 2,
    "rate_supplier": 4,
    "drop_supplier": 2,
}


@dataclass(frozen=True)
class WorkloadResult:
    """What :func:`apply_changes` did.

    Parameters
    ----------
    changes : dict of str to int
        How often each kind of change was made.
    rows : int
        Rows that were inserted, updated or deleted by them.
    """

    changes: dict[str, int]
    rows: int

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def apply_changes(
    connection: psycopg.Connection,
    *,
    changes: int,
    seed: int = 1,
    rate: float | None = None,
    kinds: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> WorkloadResult:
    """Insert, update and delete rows of ``erp``; each change is a transaction.

    Incremental tables only ever get rows, changes and soft deletes, each with a new ``updated_at``, and the
    table of changes only rows; the others also lose rows.

    Parameters
    ----------
    connection : psycopg.Connection
        As the administrator.
    changes : int
        How many to make.
    seed : int
        Which ones.
    rate : float, optional
        Changes per second at most; as fast as possible unless given.
    kinds : sequence of str, optional
        Only these keys of :data:`KINDS`.
    progress : callable, optional
        Called with a line now and then.
    """
    weights = {kind: KINDS[kind] for kind in kinds or KINDS}
    statements = {kind: (STATEMENTS / f"{kind}.sql").read_text() for kind in weights}
    choice = random.Random(seed)  # noqa: S311 - it shall be predictable
    now = _last_change(connection)
    made: Counter[str] = Counter()
    rows = 0
    started = time.monotonic()
    for number in range(changes):
        if rate is not None:
            _wait_until(started + number / rate)
        kind = choice.choices(list(weights), weights=list(weights.values()))[0]
        now += TICK
        with connection.transaction():
            cursor = connection.execute(statements[kind], {"n": choice.getrandbits(31), "now": now})
            rows += cursor.rowcount
        made[kind] += 1
        if progress is not None and (number + 1) % PROGRESS_EVERY == 0:
            progress(f"{number + 1} of {changes} changes")
    return WorkloadResult(dict(sorted(made.items())), rows)


def _last_change(connection: psycopg.Connection) -> datetime:
    with connection.transaction():
        row = connection.execute(
            "SELECT max(at) FROM ("
            " SELECT max(updated_at) AS at FROM erp.customers"
            " UNION ALL SELECT max(updated_at) FROM erp.products"
            " UNION ALL SELECT max(updated_at) FROM erp.orders"
            " UNION ALL SELECT max(updated_at) FROM erp.order_lines"
            " UNION ALL SELECT max(updated_at) AT TIME ZONE 'UTC' FROM erp.stock_movements) AS changes"
        ).fetchone()
    assert row is not None
    last: datetime = row[0]
    return last


def _wait_until(moment: float) -> None:
    wait = moment - time.monotonic()
    if wait > 0:
        time.sleep(wait)
