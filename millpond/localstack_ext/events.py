"""What EventBridge delivers to its targets, where LocalStack differs from AWS.

Source: the EventBridge API Reference, type ``Target``: "Input: Valid JSON text passed to the target. In this
case, nothing from the event itself is passed to the target."
"""

from __future__ import annotations

import json
from typing import Any

from localstack.services.events.target import StatesTargetSender, TargetSender, TargetSenderFactory
from localstack.utils.xray.trace_header import TraceHeader

_deliver_event = TargetSender.process_event


class StateMachineTarget(StatesTargetSender):
    """Starts an execution; LocalStack takes its name from the event, which a target's own input lacks."""

    def send_event(self, event: Any, trace_header: TraceHeader) -> None:  # noqa: ARG002
        # The client is made when first used, for the service of the ARN, which is named "states".
        self.service = "stepfunctions"
        client: Any = self.client
        client.start_execution(stateMachineArn=self.target["Arn"], input=json.dumps(event, default=str))


def _process_event(self: TargetSender, event: Any, trace_header: TraceHeader) -> None:
    """Deliver a target's own input also when it is empty, which LocalStack takes for nothing to deliver."""
    if (own_input := self.target.get("Input")) is None:
        _deliver_event(self, event, trace_header)
    else:
        self.send_event(json.loads(own_input), trace_header)


def install_targets() -> None:
    """Let LocalStack's rules use the above."""
    TargetSenderFactory.target_map["states"] = StateMachineTarget
    setattr(TargetSender, "process_event", _process_event)  # noqa: B010
