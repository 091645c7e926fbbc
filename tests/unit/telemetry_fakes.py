"""Keeps what would be sent to EventBridge and CloudWatch."""

from __future__ import annotations

import json
from typing import Any

from millpond.planes.common.context import PlaneContext
from millpond.planes.common.telemetry import Telemetry


class RecordedTelemetry(Telemetry):
    """Sends nothing; ``events`` and ``data`` are what was given to it."""

    def __init__(self, context: PlaneContext) -> None:
        super().__init__(context)
        self.events: list[dict[str, Any]] = []
        self.data: list[tuple[str, str, float]] = []

    def event(self, entry: dict[str, Any], *, account_id: str = "", region: str = "") -> None:
        self.events.append({**entry, "Detail": json.loads(entry["Detail"])})

    def metrics(self, namespace: str, data: Any, *, account_id: str = "", region: str = "") -> None:
        for one in data:
            self.data.append((namespace, one["MetricName"], one["Value"]))
