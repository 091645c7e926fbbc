"""Ways from a network interface of a Glue run, a function or a build, judged one step after the other.

Sources: the VPC User Guide, "Control traffic to your AWS resources using security groups", "Network ACL
rules", "Route priority"; the AWS PrivateLink Guide, "Gateway endpoints" and "Access an AWS service using an
interface VPC endpoint"; the Glue Developer Guide, "Troubleshooting AWS Glue errors". Interfaces that services
place into a subnet have no public address: an internet gateway is no way out for them. What is behind a
virtual private gateway, a transit gateway or a peering is not known, and taken to let in what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

Shape = Mapping[str, Any]
HTTPS = 443
# Linux answers to ports of this range; the other end of a connection has to be let in there.
_EPHEMERAL = (32768, 60999)
# Somewhere outside of every VPC, where no prefix list says where a service is.
_AWS = IPv4Address("52.94.0.1")
_ANY = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True)
class Network:
    """What there is, in the shapes of EC2's ``Describe`` operations, by id.

    Parameters
    ----------
    region : str
        Where it is.
    subnets, groups, nat_gateways : mapping
        By id.
    route_tables, acls, endpoints : sequence
        As described.
    prefix_lists : mapping
        Names of the prefix lists, for example ``com.amazonaws.eu-west-1.s3``, by id.
    """

    region: str
    subnets: Mapping[str, Shape] = field(default_factory=dict)
    groups: Mapping[str, Shape] = field(default_factory=dict)
    nat_gateways: Mapping[str, Shape] = field(default_factory=dict)
    route_tables: Sequence[Shape] = ()
    acls: Sequence[Shape] = ()
    endpoints: Sequence[Shape] = ()
    prefix_lists: Mapping[str, str] = field(default_factory=dict)

    def vpc_of(self, subnet: str) -> str:
        return str(self.subnets[subnet]["VpcId"])

    def block_of(self, subnet: str) -> IPv4Network:
        return IPv4Network(self.subnets[subnet]["CidrBlock"])

    def table_of(self, subnet: str) -> Shape:
        """The route table of a subnet: its own, or else the main one of its VPC."""
        own = [one for one in self.route_tables if _is_of(one, "SubnetId", subnet)]
        vpc = self.vpc_of(subnet)
        return (
            own + [one for one in self.route_tables if one["VpcId"] == vpc and _is_of(one, "Main", True)]
        )[0]

    def acl_of(self, subnet: str) -> Shape:
        """The network ACL of a subnet, or else the default one of its VPC."""
        own = [one for one in self.acls if _is_of(one, "SubnetId", subnet)]
        vpc = self.vpc_of(subnet)
        return (own + [one for one in self.acls if one["VpcId"] == vpc and one["IsDefault"]])[0]


def _is_of(one: Shape, member: str, value: object) -> bool:
    """Whether an association of a route table or network ACL has a value."""
    return any(association.get(member) == value for association in one.get("Associations") or ())


@dataclass(frozen=True)
class Place:
    """Where an interface stands.

    Parameters
    ----------
    subnet : str
        Its id.
    groups : tuple of str
        Ids of its security groups.
    """

    subnet: str
    groups: tuple[str, ...]


def to_address(network: Network, place: Place, address: str, port: int) -> str | None:
    """What blocks the way to a port of an address; None if it is open."""
    return unknown(network, place) or _to_address(network, place, IPv4Address(address), port)


def to_service(network: Network, place: Place, service: str) -> str | None:
    """What blocks the way to an AWS service; None if it is open.

    Parameters
    ----------
    network : Network
        What there is.
    place : Place
        Where the call begins.
    service : str
        Its name as an endpoint has it, for example ``s3`` or ``secretsmanager``.
    """
    if reason := unknown(network, place):
        return reason
    name = f"com.amazonaws.{network.region}.{service}"
    vpc = network.vpc_of(place.subnet)
    here = [
        one
        for one in network.endpoints
        if one["ServiceName"] == name and one["VpcId"] == vpc and one.get("State", "").lower() == "available"
    ]
    for endpoint in here:
        if endpoint["VpcEndpointType"] == "Interface" and endpoint.get("PrivateDnsEnabled"):
            return _to_interface(network, place, endpoint)
    table = network.table_of(place.subnet)
    if any(
        table["RouteTableId"] in (one.get("RouteTableIds") or ())
        for one in here
        if one["VpcEndpointType"] == "Gateway"
    ):
        lists = {one for one, named in network.prefix_lists.items() if named == name}
        return (
            None
            if _lets_out(network, place, HTTPS, address=_ANY, lists=lists)
            else f"no rule of {_named(place.groups)} lets port {HTTPS} out to its prefix list"
        ) or _by_acl(network, place.subnet, _AWS, HTTPS)
    reason = _to_address(network, place, _AWS, HTTPS)
    return f"{vpc} has no endpoint of it, and {reason}" if reason else None


def glue_refusal(network: Network, place: Place) -> str | None:
    """Why Glue does not start a run at a place, in its words; None if it does.

    Source: "Error: Inbound rule in security group required" and "Error: Could not find S3 endpoint or NAT
    gateway for subnetId in VPC" in the Glue Developer Guide.
    """
    if reason := unknown(network, place):
        return reason
    if not any(_opens_to_itself(network.groups[group]) for group in place.groups):
        return (
            "At least one security group must open all ingress ports.To limit traffic, the source security "
            "group in your inbound rule can be restricted to the same security group"
        )
    if _has_way_to_s3(network, place):
        return None
    subnet, vpc = place.subnet, network.vpc_of(place.subnet)
    return (
        f"VPC S3 endpoint validation failed for SubnetId: {subnet}. VPC: {vpc}. Reason: Could not find S3 "
        f"endpoint or NAT gateway for subnetId: {subnet} in Vpc {vpc}"
    )


def unknown(network: Network, place: Place) -> str | None:
    """What of a place is not there."""
    if place.subnet not in network.subnets:
        return f"The subnet ID '{place.subnet}' does not exist"
    missing = [group for group in place.groups if group not in network.groups]
    return f"The security group '{missing[0]}' does not exist" if missing else None


def _to_address(network: Network, place: Place, address: IPv4Address, port: int) -> str | None:
    if not _lets_out(network, place, port, address=IPv4Network(address)):
        return f"no rule of {_named(place.groups)} lets port {port} out to {address}"
    return _by_acl(network, place.subnet, address, port) or _by_route(network, place.subnet, address)


def _to_interface(network: Network, place: Place, endpoint: Shape) -> str | None:
    groups = [one["GroupId"] for one in endpoint.get("Groups") or ()]
    subnets = [one for one in endpoint.get("SubnetIds") or () if one in network.subnets]
    blocks = [network.block_of(one) for one in subnets]
    its = f"the endpoint {endpoint['VpcEndpointId']}"
    if not any(
        _lets_out(network, place, HTTPS, address=block, groups=set(groups)) for block in blocks or [_ANY]
    ):
        return f"no rule of {_named(place.groups)} lets port {HTTPS} out to {its}"
    own = network.block_of(place.subnet)
    rules = _rules(network, groups, "IpPermissions")
    if not any(_speaks_of(rule, HTTPS) and _reaches(rule, own, set(place.groups), set()) for rule in rules):
        return f"no rule of {_named(groups)}, the groups of {its}, lets port {HTTPS} in"
    reasons = [_between_subnets(network, place.subnet, one) for one in subnets]
    return reasons[0] if reasons and all(reasons) else None


def _between_subnets(network: Network, here: str, there: str) -> str | None:
    """Network ACLs are asked at the border of a subnet only."""
    if here == there:
        return None
    from_here, from_there = (network.block_of(one).network_address for one in (here, there))
    return _by_acl(network, here, from_there, HTTPS) or _by_acl(network, there, from_here, HTTPS, is_in=True)


# Security groups


def _opens_to_itself(group: Shape) -> bool:
    return any(
        _is_of_tcp(rule)
        and _ports(rule) == (0, 65535)
        and any(pair.get("GroupId") == group["GroupId"] for pair in rule.get("UserIdGroupPairs") or ())
        for rule in group.get("IpPermissions") or ()
    )


def _lets_out(
    network: Network,
    place: Place,
    port: int,
    *,
    address: IPv4Network,
    groups: Iterable[str] = (),
    lists: Iterable[str] = (),
) -> bool:
    rules = _rules(network, place.groups, "IpPermissionsEgress")
    return any(_speaks_of(rule, port) and _reaches(rule, address, set(groups), set(lists)) for rule in rules)


def _rules(network: Network, groups: Iterable[str], way: str) -> Iterator[Shape]:
    for group in groups:
        yield from network.groups.get(group, {}).get(way) or ()


def _speaks_of(rule: Shape, port: int) -> bool:
    first, last = _ports(rule)
    return _is_of_tcp(rule) and first <= port <= last


def _is_of_tcp(rule: Shape) -> bool:
    return str(rule.get("IpProtocol")) in ("-1", "tcp", "6")


def _ports(rule: Shape) -> tuple[int, int]:
    if str(rule.get("IpProtocol")) == "-1":
        return 0, 65535
    return int(rule.get("FromPort") or 0), int(rule.get("ToPort", 65535))


def _reaches(rule: Shape, address: IPv4Network, groups: set[str], lists: set[str]) -> bool:
    return (
        any(address.subnet_of(IPv4Network(one["CidrIp"])) for one in rule.get("IpRanges") or ())
        or any(one.get("GroupId") in groups for one in rule.get("UserIdGroupPairs") or ())
        or any(one["PrefixListId"] in lists for one in rule.get("PrefixListIds") or ())
    )


def _named(groups: Iterable[str]) -> str:
    return " and ".join(groups) or "no security group"


# Network ACLs, which forget what they let through: the answer has to be let through, too.


def _by_acl(
    network: Network, subnet: str, address: IPv4Address, port: int, *, is_in: bool = False
) -> str | None:
    acl = network.acl_of(subnet)
    if not _passes(acl, address, port, is_out=not is_in):
        way = "in from" if is_in else "out to"
        return f"the network ACL {acl['NetworkAclId']} does not let port {port} {way} {address}"
    if not all(_passes(acl, address, one, is_out=is_in) for one in _EPHEMERAL):
        way = "out to" if is_in else "in from"
        return f"the network ACL {acl['NetworkAclId']} does not let answers {way} {address}"
    return None


def _passes(acl: Shape, address: IPv4Address, port: int, *, is_out: bool) -> bool:
    """By the first rule that speaks of it."""
    rules = [one for one in acl.get("Entries") or () if bool(one["Egress"]) is is_out and "CidrBlock" in one]
    for rule in sorted(rules, key=lambda one: int(one["RuleNumber"])):
        ports = rule.get("PortRange") or {}
        if (
            str(rule["Protocol"]) in ("-1", "6")
            and (str(rule["Protocol"]) == "-1" or ports.get("From", 0) <= port <= ports.get("To", 65535))
            and address in IPv4Network(rule["CidrBlock"])
        ):
            return bool(rule["RuleAction"] == "allow")
    return False


# Routes


def _by_route(network: Network, subnet: str, address: IPv4Address) -> str | None:
    table = network.table_of(subnet)
    route = _route(table, address)
    if route is None:
        return f"the route table {table['RouteTableId']} of {subnet} has no route to {address}"
    if route.get("State") == "blackhole":
        return f"the route to {address} in {table['RouteTableId']} leads to what is not there any more"
    if str(route.get("GatewayId", "")).startswith("igw-"):
        return (
            f"the route to {address} in {table['RouteTableId']} leads to the internet gateway "
            f"{route['GatewayId']}, which takes no interface without a public address"
        )
    return _by_nat(network, str(route["NatGatewayId"]), address) if route.get("NatGatewayId") else None


def _by_nat(network: Network, nat: str, address: IPv4Address) -> str | None:
    gateway = network.nat_gateways.get(nat)
    if gateway is None or gateway.get("State") != "available":
        return f"the NAT gateway {nat} is not there"
    if gateway.get("ConnectivityType", "public") == "private" or gateway["SubnetId"] not in network.subnets:
        return None
    onward = _route(network.table_of(gateway["SubnetId"]), address) or {}
    if str(onward.get("GatewayId", "")).startswith("igw-"):
        return None
    return f"the subnet {gateway['SubnetId']} of the NAT gateway {nat} has no route to an internet gateway"


def _route(table: Shape, address: IPv4Address) -> Shape | None:
    """The most particular one."""
    found = [
        one
        for one in table.get("Routes") or ()
        if one.get("DestinationCidrBlock") and address in IPv4Network(one["DestinationCidrBlock"])
    ]
    return max(found, key=lambda one: IPv4Network(one["DestinationCidrBlock"]).prefixlen, default=None)


def _has_way_to_s3(network: Network, place: Place) -> bool:
    """Glue looks for an endpoint or a NAT gateway in the subnet's route table, and no further."""
    table = network.table_of(place.subnet)
    name, vpc = f"com.amazonaws.{network.region}.s3", network.vpc_of(place.subnet)
    return any(
        one["ServiceName"] == name
        and one["VpcId"] == vpc
        and (
            one["VpcEndpointType"] == "Interface" or table["RouteTableId"] in (one.get("RouteTableIds") or ())
        )
        for one in network.endpoints
    ) or any(
        one.get("NatGatewayId") or one.get("TransitGatewayId") or str(one.get("GatewayId")).startswith("vgw-")
        for one in table.get("Routes") or ()
        if one.get("DestinationCidrBlock") == str(_ANY)
    )
