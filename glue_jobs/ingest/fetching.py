"""How much a JDBC connection brings at once.

It is bounded by its bytes, since rows may be wide and a worker reads several partitions at once. The driver
(``adaptiveFetch``, ``maxResultBuffer``) makes the next fetch as large as the widest row so far allows; the
first one has seen none.
"""

from __future__ import annotations

_FIRST_FETCH = 10
_BUFFERS_PERCENT = 20
_LEAST_PERCENT = 4


def fetching(fetch_size: int, tasks: int) -> dict[str, str]:
    """Properties of the connections.

    Parameters
    ----------
    fetch_size : int
        Most rows of one fetch.
    tasks : int
        Connections that read at once; they share the heap.
    """
    return {
        "fetchsize": str(min(fetch_size, _FIRST_FETCH)),
        "adaptiveFetch": "true",
        "adaptiveFetchMaximum": str(fetch_size),
        "maxResultBuffer": f"{max(_LEAST_PERCENT, _BUFFERS_PERCENT // tasks)}p",
        "prepareThreshold": "-1",  # values travel in binary from the first query on
    }
