"""One run at a time for each table: a lease in the item ``CURRENT`` of ``ingest_runs``.

It keeps two runs from doing the same work at once. That no row is doubled does not depend on it: a
commit is refused when the table is not as the run found it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

from ingest.errors import IngestError
from ingest.runs import CURRENT

SECONDS = 30
"""A run that was stopped keeps others away for this long; a retry of itself goes on at once.

No longer than the state machine's three more tries take: a run that begins meanwhile waits, and succeeds.
The state machine gives back the lease of a run that it gives up.
"""

RENEWAL_SECONDS = 10


class Lease:
    """A lease that is held; see :func:`hold`."""

    def __init__(self, table: Any, table_id: str, run_id: str, clock: Callable[[], float]) -> None:
        self._table, self._table_id, self._run_id, self._clock = table, table_id, run_id, clock
        self._lost: Exception | None = None

    def take(self) -> None:
        """Take it, or go on holding it.

        Raises
        ------
        IngestError
            If another run holds it.
        """
        conditional = self._table.meta.client.exceptions.ConditionalCheckFailedException
        now = int(self._clock())
        try:
            self._update(
                "SET running_run_id = :run, lease_until = :until",
                "attribute_not_exists(running_run_id) OR running_run_id = :run OR lease_until < :now",
                {":run": self._run_id, ":until": now + SECONDS, ":now": now},
            )
        except conditional:
            item = self._table.get_item(Key=self._key, ConsistentRead=True).get("Item", {})
            raise IngestError(
                f"{self._table_id}: another run, {item.get('running_run_id')}, is ingesting this table."
            ) from None

    def renew_until(self, ended: threading.Event) -> None:
        """Renew it now and then; what fails is told by :meth:`check`."""
        while not ended.wait(RENEWAL_SECONDS):
            try:
                self.take()
            except Exception as error:  # noqa: BLE001 - told by check(), in the thread that works
                self._lost = error
                return

    def check(self) -> None:
        """Raise when it was lost since it was taken."""
        if self._lost is not None:
            raise self._lost

    def release(self) -> None:
        """Give it back, unless another run has it by now."""
        conditional = self._table.meta.client.exceptions.ConditionalCheckFailedException
        try:
            self._update(
                "REMOVE running_run_id, lease_until", "running_run_id = :run", {":run": self._run_id}
            )
        except conditional:
            return

    @property
    def _key(self) -> dict[str, str]:
        return {"table_id": self._table_id, "run_id": CURRENT}

    def _update(self, update: str, condition: str, values: dict[str, Any]) -> None:
        self._table.update_item(
            Key=self._key,
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )


@contextmanager
def hold(table: Any, table_id: str, run_id: str, clock: Callable[[], float] = time.time) -> Iterator[Lease]:
    """Hold the lease of a table while the block runs.

    Parameters
    ----------
    table : boto3 DynamoDB table
        ``ingest_runs``.
    table_id, run_id : str
        Who wants it.
    clock : callable, optional
        Seconds since 1970.

    Raises
    ------
    IngestError
        If another run holds it.
    """
    lease = Lease(table, table_id, run_id, clock)
    lease.take()
    ended = threading.Event()
    renewing = threading.Thread(target=lease.renew_until, args=(ended,), daemon=True)
    renewing.start()
    try:
        yield lease
    finally:
        ended.set()
        renewing.join()
        lease.release()
