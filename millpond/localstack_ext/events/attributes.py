"""What EventBridge keeps of buses and connections, and LocalStack takes without telling it again.

Source: ``CreateEventBus``, ``UpdateEventBus``, ``PutPermission``, ``CreateConnection`` and
``UpdateConnection`` in the EventBridge API Reference. An update sets what it names and leaves the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.aws.api.events import ConnectionState
from localstack.services.events.models import Connection, EventBus
from localstack.services.events.provider import EventsProvider
from localstack.services.events.utils import extract_event_bus_name

Shape = dict[str, Any]

_BUS = ("Description", "KmsKeyIdentifier", "DeadLetterConfig", "LogConfig")
_CONNECTION = ("Description", "KmsKeyIdentifier", "InvocationConnectivityParameters")


class WholeEventsProvider(EventsProvider):
    """Buses and connections with all their attributes."""

    @handler("CreateEventBus", expand=False)
    def create_event_bus(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make a bus."""
        answer: Any = super().create_event_bus(
            context,
            name=request["Name"],
            event_source_name=request.get("EventSourceName"),
            description=request.get("Description"),
            tags=request.get("Tags"),
        )
        bus = self._bus(context, request["Name"])
        return {**answer, **_keep(bus, request, _BUS)}

    @handler("UpdateEventBus", expand=False)
    def update_event_bus(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Change a bus, the default one unless another is named."""
        bus = self._bus(context, request.get("Name") or "default")
        kept = _keep(bus, request, _BUS)
        bus.last_modified_time = datetime.now(UTC)
        return {"Arn": bus.arn, "Name": bus.name, **kept}

    @handler("PutPermission", expand=False)
    def put_permission(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Allow somebody to send events; a statement with the same identifier is replaced."""
        name = extract_event_bus_name(request.get("EventBusName") or "default")
        policy: Any = self._bus(context, name).policy
        if policy and (statement_id := request.get("StatementId")):
            others = [statement for statement in policy["Statement"] if statement.get("Sid") != statement_id]
            policy["Statement"] = others
        super().put_permission(
            context,
            event_bus_name=name,
            action=request.get("Action"),
            principal=request.get("Principal"),
            statement_id=request.get("StatementId"),
            condition=request.get("Condition"),
            policy=request.get("Policy"),
        )
        return {}

    @handler("CreateConnection", expand=False)
    def create_connection(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Make a connection."""
        answer: Any = super().create_connection(
            context,
            name=request["Name"],
            authorization_type=request["AuthorizationType"],
            auth_parameters=request["AuthParameters"],
            description=request.get("Description"),
            invocation_connectivity_parameters=request.get("InvocationConnectivityParameters"),
        )
        connection = self._connection(context, request["Name"])
        # A token of OAuth is asked for with each event, and LocalStack would stay at AUTHORIZING.
        connection.state = ConnectionState.AUTHORIZED
        _keep(connection, request, _CONNECTION)
        return {**answer, "ConnectionState": connection.state}

    @handler("UpdateConnection", expand=False)
    def update_connection(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        """Change a connection."""
        answer = super().update_connection(
            context,
            name=request["Name"],
            description=request.get("Description"),
            authorization_type=request.get("AuthorizationType"),
            auth_parameters=request.get("AuthParameters"),
            invocation_connectivity_parameters=request.get("InvocationConnectivityParameters"),
        )
        _keep(self._connection(context, request["Name"]), request, _CONNECTION)
        return answer

    def _bus(self, context: RequestContext, name: str) -> EventBus:
        store = self.get_store(context.region, context.account_id)
        bus: EventBus = self.get_event_bus(name, store)
        return bus

    def _connection(self, context: RequestContext, name: str) -> Connection:
        store = self.get_store(context.region, context.account_id)
        connection: Connection = self.get_connection(name, store)
        return connection

    def _event_bus_to_api_type_event_bus(self, event_bus: EventBus) -> Any:
        theirs: Any = super()._event_bus_to_api_type_event_bus(event_bus)
        return {**theirs, **_kept(event_bus)}

    def _connection_to_api_type_connection(self, connection: Connection) -> Any:
        theirs: Any = super()._connection_to_api_type_connection(connection)
        return {**theirs, **_kept(connection)}


def _keep(model: Any, request: Mapping[str, Any], names: tuple[str, ...]) -> Shape:
    """Keep the attributes that a request names with what LocalStack knows; all of them, with values."""
    attributes = {name: request[name] for name in names if request.get(name) is not None}
    # The model's own attributes are what is saved with the state.
    vars(model).setdefault("millpond_attributes", {}).update(attributes)
    return _kept(model)


def _kept(model: Any) -> Shape:
    kept: Shape = {name: value for name, value in vars(model).get("millpond_attributes", {}).items() if value}
    return kept
