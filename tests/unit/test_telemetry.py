"""Events and metrics leave in order and in the background, and no failure of theirs is silent."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from waiting import wait_until

from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.telemetry import Telemetry, datum

DEADLINE = 10


class Client:
    """Takes what is sent, when it may; ``refuses`` is what it answers instead."""

    def __init__(self, refuses: Exception | None = None) -> None:
        self.may_go_on = threading.Event()
        self.taken: list[Any] = []
        self.metrics: list[Any] = []
        self.is_done = threading.Event()
        self.refuses = refuses

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert self.may_go_on.wait(DEADLINE)
        if self.refuses is not None:
            raise self.refuses
        self.taken.extend(entry["Detail"] for entry in Entries)
        return {"FailedEntryCount": 0, "Entries": []}

    def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        self.metrics.append((Namespace, len(MetricData), {"Timestamp"} <= MetricData[0].keys()))
        if Namespace == "Last":
            self.is_done.set()


@pytest.fixture
def context(tmp_path: Path) -> PlaneContext:
    tools = Tools(*[tmp_path] * 6, {})
    return PlaneContext("http://127.0.0.1:9", "eu-west-1", "000000000000", tmp_path, tools)


def test_what_is_told_does_not_wait_and_events_arrive_in_order(context: PlaneContext) -> None:
    client = Client()
    telemetry = Telemetry(context, lambda *_: client)
    for number in range(3):
        telemetry.event({"Detail": str(number)})
    for _ in range(3):
        telemetry.metrics("Lake", [datum("Rows", 1, "Count")] * 500)
    telemetry.metrics("Last", [datum("Rows", 1, "Count")])
    assert client.taken == client.metrics == []
    client.may_go_on.set()
    assert client.is_done.wait(DEADLINE)
    assert client.metrics == [("Lake", 1000, True), ("Lake", 500, True), ("Last", 1, True)]
    wait_until("the events", lambda: client.taken == ["0", "1", "2"])
    telemetry.close()


def test_what_is_not_delivered_is_logged_with_the_reason(
    context: PlaneContext, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(EndpointConnectionError(endpoint_url="http://nowhere"))
    client.may_go_on.set()
    telemetry = Telemetry(context, lambda *_: client)
    with caplog.at_level(logging.WARNING):
        telemetry.event({"Detail": "lost"})
        telemetry.metrics("Last", [datum("Rows", 1, "Count")])
        assert client.is_done.wait(DEADLINE)
        wait_until("the reason", lambda: "http://nowhere" in caplog.text)
    telemetry.close()
    assert "lost" in caplog.text


def test_region_and_account_choose_the_client(context: PlaneContext) -> None:
    asked: list[tuple[str, str, str]] = []
    client = Client()

    def make(*key: str) -> Client:
        asked.append(key)  # type: ignore[arg-type]
        return client

    telemetry = Telemetry(context, make)
    telemetry.metrics("Last", [datum("Rows", 1, "Count")], account_id="111111111111", region="us-east-1")
    assert client.is_done.wait(DEADLINE)
    telemetry.close()
    assert asked == [("cloudwatch", "111111111111", "us-east-1")]
