"""What services tell EventBridge and CloudWatch of themselves: sent in the background, in order.

AWS delivers both on a best-effort basis and never lets an operation wait for them; so does this.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millpond.planes.common.callers import OWN_CALLS
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.stream import StateChange, stamp

Shape = dict[str, Any]
Make = Callable[[str, str, str], Any]

_LOG = logging.getLogger(__name__)
_CONFIG = Config(retries={"total_max_attempts": 2, "mode": "standard"}, user_agent_extra=OWN_CALLS)

# "PutMetricData" in the CloudWatch API Reference.
MOST_METRICS = 1000
# So long data waits for more of its namespace: one request in place of many, far sooner than on AWS.
GATHERING_SECONDS = 0.5


class Reporter:
    """Tells of one account and region.

    Parameters
    ----------
    telemetry : Telemetry
        Sends it.
    context : PlaneContext
        Whose account and region.
    """

    def __init__(self, telemetry: Telemetry, context: PlaneContext) -> None:
        self._telemetry = telemetry
        self._account_id, self._region = context.account_id, context.region

    def event(self, entry: Shape) -> None:
        """Send an entry of ``PutEvents``."""
        self._telemetry.event(entry, account_id=self._account_id, region=self._region)

    def state(self, service: str, of: str, name: str, id_: str, state: str) -> None:
        """Tell who listens of a state that AWS has no event for (:class:`StateChange`)."""
        self._telemetry.state(
            StateChange(stamp(), self._account_id, self._region, service, of, name, id_, state)
        )

    def metrics(self, namespace: str, data: Sequence[Shape]) -> None:
        """Send data of ``PutMetricData``."""
        self._telemetry.metrics(namespace, data, account_id=self._account_id, region=self._region)


class Telemetry:
    """Sends events and metrics; what could not be sent is in the log, with the reason.

    Parameters
    ----------
    context : PlaneContext
        The stack.
    make_client : callable, optional
        ``(service, account_id, region)`` → client; boto3's unless given.

    Examples
    --------
    >>> telemetry = Telemetry(context)  # doctest: +SKIP
    >>> telemetry.metrics("AWS/Athena", [datum("ProcessedBytes", 9, "Bytes")])  # doctest: +SKIP
    """

    def __init__(self, context: PlaneContext, make_client: Make | None = None) -> None:
        self._context = context
        self._make = make_client or self._boto_client
        self._session = boto3.session.Session()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str, str], list[Shape]] = {}
        self._is_closed = threading.Event()
        self._listeners: list[Callable[[StateChange], None]] = []
        # With one thread the events of states are sent in the order in which the states were entered.
        self._event_sender = ThreadPoolExecutor(1, thread_name_prefix="telemetry-events")
        self._metric_sender = ThreadPoolExecutor(1, thread_name_prefix="telemetry-metrics")

    def event(self, entry: Shape, *, account_id: str = "", region: str = "") -> None:
        """Send an entry of ``PutEvents``."""
        stamped = {"Time": datetime.now(UTC), **entry}
        with self._lock:
            what = f"the event {stamped}"
            self._submit(self._event_sender, what, self._put_event, stamped, account_id, region)

    def listen(self, listener: Callable[[StateChange], None]) -> None:
        """Have something called with each change of state that is no event."""
        self._listeners.append(listener)

    def state(self, change: StateChange) -> None:
        """Tell who listens of a change of state that is no event."""
        for listener in self._listeners:
            listener(change)

    def metrics(
        self, namespace: str, data: Sequence[Shape], *, account_id: str = "", region: str = ""
    ) -> None:
        """Send data of ``PutMetricData``; what has no time has this one."""
        now = datetime.now(UTC)
        with self._lock:
            is_first = not self._waiting
            if data:
                waiting = self._waiting.setdefault((namespace, account_id, region), [])
                waiting.extend({"Timestamp": now, **metric} for metric in data)
            if is_first and self._waiting:
                self._submit(self._metric_sender, "metrics", self._put_waiting_metrics)

    def close(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._is_closed.set()
            for sender in (self._event_sender, self._metric_sender):
                sender.shutdown(wait=False, cancel_futures=True)

    def _submit(self, sender: Executor, what: str, send: Callable[..., None], *arguments: Any) -> None:
        if self._is_closed.is_set():
            _LOG.info("the stack is stopping: not sent: %s", what)
            return
        sender.submit(self._attempt, what, send, *arguments)

    def _attempt(self, what: str, send: Callable[..., None], *arguments: Any) -> None:
        try:
            send(*arguments)
        except (ClientError, BotoCoreError):
            _LOG.warning("not delivered: %s", what, exc_info=True)
        except Exception:  # noqa: BLE001 - nobody has the thread's future; this is where a failure is seen
            _LOG.exception("not delivered: %s", what)

    def _put_event(self, entry: Shape, account_id: str, region: str) -> None:
        answer = self._client("events", account_id, region).put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            _LOG.warning("EventBridge refused %s: %s", entry, answer["Entries"])

    def _put_waiting_metrics(self) -> None:
        if self._is_closed.wait(GATHERING_SECONDS):
            return
        with self._lock:
            gathered, self._waiting = self._waiting, {}
        for (namespace, account_id, region), data in gathered.items():
            what = f"metrics of {namespace}"
            self._attempt(what, self._put_metrics, namespace, account_id, region, data)

    def _put_metrics(self, namespace: str, account_id: str, region: str, data: list[Shape]) -> None:
        client = self._client("cloudwatch", account_id, region)
        for start in range(0, len(data), MOST_METRICS):
            client.put_metric_data(Namespace=namespace, MetricData=data[start : start + MOST_METRICS])

    def _client(self, service: str, account_id: str, region: str) -> Any:
        key = service, account_id or self._context.account_id, region or self._context.region
        if key not in self._clients:
            self._clients[key] = self._make(*key)
        return self._clients[key]

    def _boto_client(self, service: str, account_id: str, region: str) -> Any:
        # The emulator takes the account from the access key id.
        return self._session.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=self._context.endpoint_url,
            aws_access_key_id=account_id,
            aws_secret_access_key="millpond",  # noqa: S106 (nothing checks it)
            config=_CONFIG,
        )


def datum(name: str, value: float, unit: str, **dimensions: str) -> Shape:
    """A ``MetricDatum``."""
    return {
        "MetricName": name,
        "Value": float(value),
        "Unit": unit,
        "Dimensions": [{"Name": key, "Value": text} for key, text in dimensions.items()],
    }
