"""What a checkpoint tells of a stream's shards."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from millpond.base.config import CHECKOUT


@pytest.fixture(scope="module", autouse=True)
def runtime() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CHECKOUT / "glue_runtime"))
        yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "awsglue"]:
        del sys.modules[name]


def entry(path: str, number: int) -> str:
    return json.dumps({"path": f"file:///tmp/kinesis-x/{path}", "timestamp": 1, "batchId": number})


def test_positions_are_the_last_of_each_shard_in_the_batches_of_a_feed() -> None:
    from awsglue._kinesis_checkpoint import Chunk, noted

    lines = [
        "v1",
        entry("events-1/shard-0.at.1700000000000.json", 0),
        entry("events-1/shard-1.at.1700000000000.json", 0),
        entry("events-1/shard-0.5.9.json", 1),
        entry("events-1/shard-0.10.12.json", 2),
        entry("events-2/shard-0.13.99.json", 2),
        entry("events-1/failed.json.gz", 3),
    ]
    batches = noted("events-1", [(0, lines)], {0: 1})
    assert batches.positions() == {
        "shard-0": Chunk("shard-0", "10", "12"),
        "shard-1": Chunk("shard-1", "at", "1700000000000"),
    }
    assert batches.again == (("/tmp/kinesis-x/events-1/shard-0.10.12.json", Chunk("shard-0", "10", "12")),)


def test_no_batch_of_a_source_that_no_ended_batch_had_has_ended() -> None:
    from awsglue._kinesis_checkpoint import Chunk, noted

    batches = noted("s-1", [(1, [entry("s-1/shard-0.1.2.json", 0)])], {0: 7})
    assert [chunk for _, chunk in batches.again] == [Chunk("shard-0", "1", "2")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latest", "LATEST"),
        ("TRIM_HORIZON", "TRIM_HORIZON"),
        ("Earliest", "TRIM_HORIZON"),
        ("2023-04-04T08:00:00Z", datetime(2023, 4, 4, 8, tzinfo=UTC)),
        ("2023-04-04T08:00:00-04:00", datetime(2023, 4, 4, 12, tzinfo=UTC)),
    ],
)
def test_starting_positions(text: str, expected: object) -> None:
    from awsglue._kinesis import starting_position

    assert starting_position(text) == expected


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://kinesis.eu-central-1.amazonaws.com", "eu-central-1"),
        ("kinesis.us-east-1.amazonaws.com", "us-east-1"),
        ("http://127.0.0.1:4566", None),
        (None, None),
    ],
)
def test_region_of_an_endpoint(endpoint: str | None, expected: str | None) -> None:
    from awsglue._kinesis import region_of

    assert region_of(endpoint) == expected
