"""The operations of Firehose that are answered here; the others are refused by their names."""

from __future__ import annotations

from millpond.planes.common.operations import Operations

OPERATIONS = Operations(
    "firehose",
    own=(
        "CreateDeliveryStream",
        "DeleteDeliveryStream",
        "DescribeDeliveryStream",
        "ListDeliveryStreams",
        "ListTagsForDeliveryStream",
        "PutRecord",
        "PutRecordBatch",
        "TagDeliveryStream",
        "UntagDeliveryStream",
        "UpdateDestination",
    ),
    # What the engine's own Firehose would say of streams that it does not have.
    refused=("StartDeliveryStreamEncryption", "StopDeliveryStreamEncryption"),
    is_checked=True,
)
