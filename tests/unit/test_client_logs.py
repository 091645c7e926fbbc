"""What is read of logs that others are still writing."""

from __future__ import annotations

from collections import Counter

from millpond.client.logs import LogLine, unseen


def test_a_line_that_arrives_after_later_ones_of_another_stream_is_shown_once() -> None:
    seen: Counter[str] = Counter()
    first, third = LogLine(1, "output", "first"), LogLine(3, "output", "third")
    assert unseen([first, third], seen) == [first, third]
    second, fourth = LogLine(2, "error", "second"), LogLine(4, "output", "fourth")
    assert unseen([first, second, third, fourth], seen) == [second, fourth]
    assert unseen([first, second, third, fourth], seen) == []
