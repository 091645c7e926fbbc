"""What moto lacks of a network: routes of VPN connections, and what some things were made with.

Source: ``CreateVpnConnection``, ``CreateVpnConnectionRoute``, ``DeleteVpnConnectionRoute``,
``EnableVgwRoutePropagation``, ``DisableVgwRoutePropagation``, ``DescribeVpnConnections`` and
``DescribeRouteTables`` in the Amazon EC2 API Reference. A route of a connection whose gateway propagates into
a route table is shown there with the origin ``EnableVgwRoutePropagation``. Types ``FlowLog`` with its
``DestinationOptions``, and ``SecurityGroupRule`` with its ``Description``, which rules of every kind have;
``ModifySecurityGroupRules``, which moto does of rules with addresses alone; ``CreateDhcpOptions`` with tags;
``ModifyManagedPrefixList``, which takes the name away where none is given, and leaves ``MaxEntries``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.services.ec2.provider import Ec2Provider
from localstack.services.moto import call_moto, call_moto_with_request
from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule

from millpond.localstack_ext.engine import patches

# What can be asked for of a connection; moto knows its tags alone.
_MEMBERS = {
    "customer-gateway-id": "CustomerGatewayId",
    "state": "State",
    "type": "Type",
    "vpn-connection-id": "VpnConnectionId",
    "vpn-gateway-id": "VpnGatewayId",
}
_OF_WHAT_IS_KEPT_HERE = {"option.static-routes-only", "route.destination-cidr-block"}


_DEFAULT_DESTINATION = {
    "FileFormat": "plain-text",
    "HiveCompatiblePartitions": False,
    "PerHourPartition": False,
}


class NetworkProvider(Ec2Provider):
    """Keeps what moto does not know on moto's own objects."""

    def on_after_init(self) -> None:
        super().on_after_init()  # type: ignore[no-untyped-call]
        _keep_descriptions_of_rules()

    @handler("CreateFlowLogs", expand=False)
    def create_flow_logs(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        answer: Any = super().create_flow_logs(context, request)
        for flow_log_id in answer.get("FlowLogIds") or []:
            made = _backend(context).flow_logs[flow_log_id]
            made.destination_options = _DEFAULT_DESTINATION | (request.get("DestinationOptions") or {})
        return answer

    @handler("DescribeFlowLogs", expand=False)
    def describe_flow_logs(self, context: RequestContext, _request: Any) -> Any:  # type: ignore[override]
        answer: Any = call_moto(context)
        for shown in answer.get("FlowLogs") or []:
            options = getattr(_backend(context).flow_logs[shown["FlowLogId"]], "destination_options", None)
            if options and shown.get("LogDestinationType") == "s3":
                shown["DestinationOptions"] = options
        return answer

    @handler("CreateVpnConnection", expand=False)
    def create_vpn_connection(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        answer: Any = call_moto(context)
        made = self._connection(context, answer["VpnConnection"]["VpnConnectionId"])
        made.options = {"StaticRoutesOnly": bool(request.get("Options", {}).get("StaticRoutesOnly", False))}
        made.static_routes = {}
        return {"VpnConnection": answer["VpnConnection"] | _described(made)}

    @handler("DescribeVpnConnections", expand=False)
    def describe_vpn_connections(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        filters = request.get("Filters") or []
        own = {*_MEMBERS, *_OF_WHAT_IS_KEPT_HERE}
        others = [filter_ for filter_ in filters if filter_["Name"] not in own]
        answer: Any = call_moto_with_request(context, request | {"Filters": others})
        connections = [
            connection | _described(self._connection(context, connection["VpnConnectionId"]))
            for connection in answer.get("VpnConnections") or []
        ]
        wanted = [filter_ for filter_ in filters if filter_["Name"] in own]
        return {
            "VpnConnections": [
                connection
                for connection in connections
                if all(_matches(connection, condition) for condition in wanted)
            ]
        }

    @handler("ModifySecurityGroupRules", expand=False)
    def modify_security_group_rules(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        group = _backend(context).get_security_group_by_name_or_id(request["GroupId"])
        if group is None:
            raise CommonServiceException(
                "InvalidGroup.NotFound", f"The security group '{request['GroupId']}' does not exist"
            )
        for entry in request["SecurityGroupRules"]:
            rule = group.get_rule(entry["SecurityGroupRuleId"])
            if rule is None:
                raise CommonServiceException(
                    "InvalidSecurityGroupRuleId.NotFound",
                    f"The security group rule ID '{entry['SecurityGroupRuleId']}' does not exist",
                )
            _modify(rule, entry.get("SecurityGroupRule") or {})
        return {"Return": True}

    @handler("CreateDhcpOptions", expand=False)
    def create_dhcp_options(self, context: RequestContext, request: Any) -> Any:  # type: ignore[override]
        answer: Any = call_moto(context)
        made = answer["DhcpOptions"]
        tags = {
            tag["Key"]: tag["Value"]
            for specification in request.get("TagSpecifications") or []
            for tag in specification.get("Tags") or []
        }
        if tags:
            _backend(context).create_tags([made["DhcpOptionsId"]], tags)
            made["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return answer

    @handler("ModifyManagedPrefixList", expand=False)
    def modify_managed_prefix_list(  # type: ignore[override]
        self, context: RequestContext, request: Any
    ) -> Any:
        prefix_list = _backend(context).managed_prefix_lists.get(request["PrefixListId"])
        if prefix_list is None or prefix_list.owner_id == "AWS":
            raise CommonServiceException(
                "InvalidPrefixListID.NotFound",
                f"The prefix list ID '{request['PrefixListId']}' does not exist",
            )
        modify_prefix_list(prefix_list, request)
        return {
            "PrefixList": {
                "PrefixListId": prefix_list.id,
                "AddressFamily": prefix_list.address_family,
                "State": prefix_list.state,
                "PrefixListArn": prefix_list.prefix_list_arn,
                "PrefixListName": prefix_list.prefix_list_name,
                "MaxEntries": prefix_list.max_entries,
                "Version": prefix_list.version,
                "Tags": [{"Key": tag["key"], "Value": tag["value"]} for tag in prefix_list.get_tags()],
                "OwnerId": prefix_list.owner_id,
            }
        }

    @handler("CreateVpnConnectionRoute")
    def create_vpn_connection_route(
        self, context: RequestContext, destination_cidr_block: str, vpn_connection_id: str, **_: Any
    ) -> None:
        self._connection(context, vpn_connection_id).static_routes[destination_cidr_block] = "available"

    @handler("DeleteVpnConnectionRoute")
    def delete_vpn_connection_route(
        self, context: RequestContext, destination_cidr_block: str, vpn_connection_id: str, **_: Any
    ) -> None:
        routes = self._connection(context, vpn_connection_id).static_routes
        if destination_cidr_block not in routes:
            raise CommonServiceException(
                "InvalidRoute.NotFound",
                f"The route '{destination_cidr_block}' of {vpn_connection_id} does not exist",
            )
        del routes[destination_cidr_block]

    @handler("EnableVgwRoutePropagation")
    def enable_vgw_route_propagation(
        self,
        context: RequestContext,
        gateway_id: str,
        route_table_id: str,
        dry_run: bool | None = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        table = self._route_table(context, route_table_id)
        gateway = _backend(context).vpn_gateways.get(gateway_id)
        if gateway is None:
            raise CommonServiceException(
                "InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{gateway_id}' does not exist"
            )
        if table.vpc_id not in gateway.attachments:
            raise CommonServiceException(
                "Gateway.NotAttached",
                f"The gateway '{gateway_id}' is not attached to the VPC of {route_table_id}",
            )
        table.propagating = {*_propagating(table), gateway_id}

    @handler("DisableVgwRoutePropagation")
    def disable_vgw_route_propagation(
        self,
        context: RequestContext,
        gateway_id: str,
        route_table_id: str,
        dry_run: bool | None = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        table = self._route_table(context, route_table_id)
        table.propagating = _propagating(table) - {gateway_id}

    @handler("DescribeRouteTables", expand=False)
    def describe_route_tables(  # type: ignore[override]
        self, context: RequestContext, _request: Any
    ) -> Any:
        answer: Any = call_moto(context)
        for shown in answer.get("RouteTables") or []:
            gateways = sorted(_propagating(self._route_table(context, shown["RouteTableId"])))
            shown["PropagatingVgws"] = [{"GatewayId": gateway} for gateway in gateways]
            shown["Routes"] = [*(shown.get("Routes") or []), *_propagated(context, gateways)]
        return answer

    def _connection(self, context: RequestContext, connection_id: str) -> Any:
        connection = _backend(context).vpn_connections.get(connection_id)
        if connection is None:
            raise CommonServiceException(
                "InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{connection_id}' does not exist"
            )
        return connection

    def _route_table(self, context: RequestContext, route_table_id: str) -> Any:
        route_table = _backend(context).route_tables.get(route_table_id)
        if route_table is None:
            raise CommonServiceException(
                "InvalidRouteTableID.NotFound", f"The routeTable ID '{route_table_id}' does not exist"
            )
        return route_table


def _backend(context: RequestContext) -> Any:
    return ec2_backends[context.account_id][context.region]


def _described(connection: Any) -> dict[str, Any]:
    """What is told of a connection beside moto's answer."""
    routes: Mapping[str, str] = connection.static_routes or {}
    return {
        "Options": connection.options or {"StaticRoutesOnly": False},
        "Routes": [
            {"DestinationCidrBlock": cidr, "Source": "Static", "State": state}
            for cidr, state in sorted(routes.items())
        ],
    }


def _matches(connection: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    match condition["Name"]:
        case "route.destination-cidr-block":
            values = [route["DestinationCidrBlock"] for route in connection["Routes"]]
        case "option.static-routes-only":
            values = [str(connection["Options"]["StaticRoutesOnly"]).lower()]
        case name:
            values = [str(connection.get(_MEMBERS[name], ""))]
    return any(fnmatchcase(value, pattern) for value in values for pattern in condition["Values"])


def modify_prefix_list(prefix_list: Any, wanted: Mapping[str, Any]) -> None:
    """Make moto's prefix list as ``ModifyManagedPrefixList`` wants it; other entries are a new version."""
    version = wanted.get("CurrentVersion")
    added, removed = (
        {entry["Cidr"]: entry for entry in wanted.get(name) or []} for name in ("AddEntries", "RemoveEntries")
    )
    if (added or removed) and version is None:
        raise CommonServiceException(
            "MissingParameter", "The request must contain the parameter CurrentVersion"
        )
    if version is not None and int(version) != prefix_list.version:
        raise CommonServiceException(
            "PrefixListVersionMismatch", "The prefix list has the incorrect version number."
        )
    if (added or removed) and wanted.get("MaxEntries"):
        raise CommonServiceException(
            "InvalidParameterCombination",
            "You cannot modify the entries and the maximum entries for the prefix list in the same request.",
        )
    if both := sorted(added.keys() & removed.keys()):
        raise CommonServiceException(
            "InvalidParameterValue",
            f"Request cannot contain Cidr {both[0]} in both AddPrefixListEntries and RemovePrefixListEntries",
        )
    entries = {entry["Cidr"]: entry for entry in prefix_list.entries.get(prefix_list.version) or []}
    if missing := sorted(removed.keys() - entries.keys()):
        raise CommonServiceException("InvalidRequest", f"The prefix list has no entry {missing[0]}")
    kept = [entry for cidr, entry in {**entries, **added}.items() if cidr not in removed]
    most = int(wanted.get("MaxEntries") or prefix_list.max_entries)
    if len(kept) > most:
        raise CommonServiceException(
            "PrefixListMaxEntriesExceeded", f"You've reached the maximum number of entries: {most}"
        )
    prefix_list.max_entries = most
    prefix_list.prefix_list_name = wanted.get("PrefixListName") or prefix_list.prefix_list_name
    if added or removed:
        prefix_list.version += 1
        prefix_list.entries[prefix_list.version] = kept
    prefix_list.state = "modify-complete"


def _propagating(table: Any) -> set[str]:
    """The gateways whose routes a route table takes over."""
    return set(getattr(table, "propagating", ()))


def _propagated(context: RequestContext, gateways: Iterable[str]) -> list[dict[str, str]]:
    return [
        {
            "DestinationCidrBlock": cidr,
            "GatewayId": gateway,
            "Origin": "EnableVgwRoutePropagation",
            "State": "active",
        }
        for gateway in gateways
        for connection in _backend(context).vpn_connections.values()
        if connection.vpn_gateway_id == gateway and connection.state == "available"
        for cidr in sorted(connection.static_routes or {})
    ]


def _keep_descriptions_of_rules() -> None:
    """Let rules that name a group or a prefix list have a description, as those with addresses have."""

    def make_rule(theirs: Any, self: Any, *args: Any, **named: Any) -> None:
        theirs(self, *args, **named)
        arguments = inspect.signature(theirs).bind(self, *args, **named).arguments
        prefix_list = arguments.get("prefix_list_id") or {}
        self.prefix_list_description = prefix_list.get("Description")

    def description(self: Any) -> str | None:
        descriptions = (self.ip_range.get("Description"), self.source_group.get("Description"))
        return next(
            (text for text in (*descriptions, self.prefix_list_description) if text is not None), None
        )

    def is_the_same(self: Any, other: Any) -> bool:
        return _identity(self) == _identity(other)

    def describe(theirs: Any, self: Any, said: Any, rule: Any) -> None:
        theirs(self, said, rule)
        if said.prefix_list_description is not None:
            rule.prefix_list_description = said.prefix_list_description

    patches.wrap(SecurityGroupRule, "__init__", make_rule)
    patches.replace(SecurityGroupRule, "description", property(description))
    patches.replace(SecurityGroupRule, "__eq__", is_the_same)
    patches.wrap(SecurityGroupBackend, "_sg_update_description", describe)


def _identity(rule: Any) -> tuple[Any, ...]:
    """What tells a rule from others; its description does not."""
    return (
        rule.ip_protocol,
        rule.from_port,
        rule.to_port,
        *(rule.ip_range.get(name) for name in ("CidrIp", "CidrIpv6")),
        *(rule.source_group.get(name) for name in ("GroupId", "UserId")),
        rule.prefix_list_id,
    )


# Member of ``SecurityGroupRuleRequest`` that says where from or to → what a rule of moto has there.
_SOURCES: Mapping[str, Callable[[Any], Any]] = {
    "CidrIpv4": lambda rule: rule.ip_range.get("CidrIp"),
    "CidrIpv6": lambda rule: rule.ip_range.get("CidrIpv6"),
    "PrefixListId": lambda rule: rule.prefix_list_id,
    "ReferencedGroupId": lambda rule: rule.source_group.get("GroupId"),
}


def _modify(rule: Any, wanted: Mapping[str, Any]) -> None:
    """Make a rule as it is wanted; a rule keeps its kind of source."""
    named = [name for name in _SOURCES if wanted.get(name) is not None]
    if len(named) != 1:
        raise CommonServiceException(
            "MissingParameter" if not named else "InvalidParameterCombination",
            "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId",
        )
    kind, value = named[0], wanted[named[0]]
    if _SOURCES[kind](rule) is None:
        raise CommonServiceException(
            "InvalidParameterValue",
            f"Invalid rule type for security group rule '{rule.id}'. You may not specify {kind} for it.",
        )
    protocol = wanted.get("IpProtocol")
    if protocol is None:
        raise CommonServiceException(
            "InvalidParameterValue",
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.",
        )
    is_all = str(protocol).lower() in ("-1", "all")
    ports = [None if is_all else wanted.get(name) for name in ("FromPort", "ToPort")]
    if not is_all and None in ports:
        raise CommonServiceException(
            "InvalidParameterValue",
            "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        )
    rule.ip_protocol, (rule.from_port, rule.to_port) = "-1" if is_all else protocol, ports
    said = {} if wanted.get("Description") is None else {"Description": wanted["Description"]}
    match kind:
        case "PrefixListId":
            rule.prefix_list_id, rule.prefix_list_description = value, said.get("Description")
        case "ReferencedGroupId":
            kept = {name: part for name, part in rule.source_group.items() if name != "Description"}
            rule.source_group = kept | {"GroupId": value} | said
        case _:
            rule.ip_range = {"CidrIp" if kind == "CidrIpv4" else kind: value} | said
