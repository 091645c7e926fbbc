"""Trino's client protocol: a statement by POST, its pages by the address that each page names.

"Trino client REST API" of Trino's developer guide. Numbers of an answer are kept as the text that the server
wrote, which is Java's, and so Athena's.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from millpond.planes.athena.exceptions import CATALOG, QueryFailed

_BUSY = (429, 502, 503, 504)
_TRIES = 20
_PAUSE = 0.1
_PAGE_SECONDS = 120.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TrinoFailed(QueryFailed):
    """A statement that Trino refused or could not finish.

    Parameters
    ----------
    reason, message : str
        ``errorName`` and ``message`` of the answer; the message has line and column already.
    is_user_error : bool
        Whether ``errorType`` says that the statement is to blame.
    """

    def __init__(self, reason: str, message: str, *, is_user_error: bool) -> None:
        super().__init__(reason, message)
        self.is_user_error = is_user_error


class ScanLimitExceeded(Exception):  # noqa: N818 - says what happened
    """A statement was cancelled because it read more than it may."""


@dataclass(frozen=True)
class Coordinator:
    """Where statements go.

    Parameters
    ----------
    url : str
        Address of the server.
    user : str
        Who asks.
    """

    url: str
    user: str = "athena"


@dataclass
class Answer:
    """What a statement gave so far.

    Parameters
    ----------
    columns : list
        Name, type and type signature of each column.
    statistics : dict
        ``stats`` of the last page.
    update_count : int
        Rows that the statement wrote.
    query_id : str
        Trino's own name for it; the files it writes begin with it.
    """

    columns: list[dict[str, Any]] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    update_count: int = 0
    query_id: str = ""

    @property
    def scanned_bytes(self) -> int:
        return int(self.statistics.get("physicalInputBytes", 0))


class Statement:
    """A statement that runs; it is cancelled unless its rows are read to their end.

    Parameters
    ----------
    coordinator : Coordinator
        Who runs it.
    sql : str
        One statement.
    database : str
        What names without a database are relative to.
    session : mapping, optional
        Session properties.
    scan_limit : int, optional
        Bytes after which it is cancelled.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        sql: str,
        database: str,
        *,
        session: Mapping[str, str] | None = None,
        scan_limit: int | None = None,
    ) -> None:
        self.answer = Answer()
        self._scan_limit = scan_limit
        self._user = {"X-Trino-User": coordinator.user}
        headers = {
            **self._user,
            "X-Trino-Source": "millpond",
            "X-Trino-Catalog": CATALOG,
            "X-Trino-Time-Zone": "UTC",
            # Without it every time of the answer has three digits.
            "X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME",
        }
        if database:
            headers["X-Trino-Schema"] = database
        if session:
            headers["X-Trino-Session"] = ",".join(f"{name}={value}" for name, value in session.items())
        request = urllib.request.Request(f"{coordinator.url}/v1/statement", sql.encode(), headers)  # noqa: S310
        self._page = _ask(request)
        self.answer.query_id = str(self._page.get("id", ""))

    def __enter__(self) -> Statement:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End it, if it has not ended."""
        address = self._page.get("nextUri")
        if address:
            self._page = {}
            _ask(urllib.request.Request(address, headers=self._user, method="DELETE"))  # noqa: S310

    def rows(self) -> Iterator[list[Any]]:
        """The rows, each a list of JSON's values with numbers as text; afterwards the answer is complete.

        Raises
        ------
        TrinoFailed
            If it fails.
        ScanLimitExceeded
            If it reads more than it may.
        """
        while True:
            page = self._page
            self._note(page)
            yield from page.get("data") or ()
            address = page.get("nextUri")
            if not address:
                return
            self._page = _ask(urllib.request.Request(address, headers=self._user))  # noqa: S310

    def run(self) -> Answer:
        """Read it to its end, for a statement without rows that matter."""
        for _ in self.rows():
            pass
        return self.answer

    def _note(self, page: dict[str, Any]) -> None:
        answer = self.answer
        answer.columns = page.get("columns") or answer.columns
        answer.statistics = page.get("stats") or answer.statistics
        answer.update_count = int(page.get("updateCount") or answer.update_count)
        if error := page.get("error"):
            raise TrinoFailed(
                str(error["errorName"]),
                str(error["message"]),
                is_user_error=error.get("errorType") == "USER_ERROR",
            )
        if self._scan_limit is not None and answer.scanned_bytes > self._scan_limit:
            self.cancel()
            raise ScanLimitExceeded


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    for last in range(_TRIES):
        try:
            with _DIRECT.open(request, timeout=_PAGE_SECONDS) as answer:
                content = answer.read()
            break
        except urllib.error.HTTPError as error:
            if error.code not in _BUSY or last == _TRIES - 1:
                raise _unreachable(f"HTTP {error.code}") from error
        except OSError as error:
            raise _unreachable(str(error)) from error
        time.sleep(_PAUSE)
    if not content:
        return {}
    # The text of a number is kept: Java wrote it.
    found: dict[str, Any] = json.loads(content, parse_float=str, parse_int=str)
    return found


def _unreachable(what: str) -> TrinoFailed:
    message = f"The Trino server does not answer: {what}; its log is logs/trino.log of the stack's state"
    return TrinoFailed("GENERIC_INTERNAL_ERROR", message, is_user_error=False)
