"""Which ways through a VPC are open, and what blocks the others."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from millpond.planes.network import Network, Place, glue_refusal, to_address, to_service

OWN, DOOR = "sg-own", "sg-door"
HERE, THERE, PUBLIC = "subnet-here", "subnet-there", "subnet-public"
S3, DYNAMODB = "com.amazonaws.eu-west-1.s3", "com.amazonaws.eu-west-1.dynamodb"
SITE, PORT = "10.20.0.5", 5432
PLACE = Place(HERE, (OWN,))
ALL = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}

Found = dict[str, Any]
Change = Callable[[Found], object]


def tcp(first: int, last: int, **to: Any) -> Found:
    return {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, **to}


def of(group: str) -> Found:
    return {"UserIdGroupPairs": [{"GroupId": group}]}


def blocks(cidr: str) -> Found:
    return {"IpRanges": [{"CidrIp": cidr}]}


def entry(
    number: int, cidr: str, ports: tuple[int, int] | None, *, is_out: bool, does: str = "allow"
) -> Found:
    of_ports = (
        {"Protocol": "6", "PortRange": {"From": ports[0], "To": ports[1]}} if ports else {"Protocol": "-1"}
    )
    return {"RuleNumber": number, "CidrBlock": cidr, "Egress": is_out, "RuleAction": does, **of_ports}


# A private subnet with a way to a site, a gateway endpoint and an interface endpoint; all in it is open.
OPEN: Found = {
    "region": "eu-west-1",
    "subnets": {
        HERE: {"SubnetId": HERE, "VpcId": "vpc", "CidrBlock": "10.0.0.0/24"},
        THERE: {"SubnetId": THERE, "VpcId": "vpc", "CidrBlock": "10.0.1.0/24"},
        PUBLIC: {"SubnetId": PUBLIC, "VpcId": "vpc", "CidrBlock": "10.0.2.0/24"},
    },
    "groups": {
        OWN: {
            "GroupId": OWN,
            "IpPermissions": [tcp(0, 65535, **of(OWN))],
            "IpPermissionsEgress": [
                tcp(PORT, PORT, **blocks("10.20.0.0/16")),
                tcp(443, 443, PrefixListIds=[{"PrefixListId": "pl-s3"}], **of(DOOR)),
            ],
        },
        DOOR: {"GroupId": DOOR, "IpPermissions": [tcp(443, 443, **of(OWN))], "IpPermissionsEgress": []},
    },
    "nat_gateways": {"nat": {"NatGatewayId": "nat", "State": "available", "SubnetId": PUBLIC}},
    "route_tables": [
        {"RouteTableId": "rtb-main", "VpcId": "vpc", "Associations": [{"Main": True}], "Routes": []},
        {
            "RouteTableId": "rtb-own",
            "VpcId": "vpc",
            "Associations": [{"SubnetId": HERE, "Main": False}],
            "Routes": [
                {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"},
                {"DestinationCidrBlock": "10.20.0.0/16", "GatewayId": "vgw-1", "State": "active"},
                {"DestinationPrefixListId": "pl-s3", "GatewayId": "vpce-s3"},
            ],
        },
        {
            "RouteTableId": "rtb-public",
            "VpcId": "vpc",
            "Associations": [{"SubnetId": PUBLIC}],
            "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}],
        },
    ],
    "acls": [
        {
            "NetworkAclId": "acl",
            "VpcId": "vpc",
            "IsDefault": True,
            "Associations": [],
            "Entries": [
                entry(100, "0.0.0.0/0", None, is_out=True),
                entry(100, "0.0.0.0/0", None, is_out=False),
            ],
        }
    ],
    "endpoints": [
        {
            "VpcEndpointId": "vpce-s3",
            "VpcEndpointType": "Gateway",
            "ServiceName": S3,
            "VpcId": "vpc",
            "State": "available",
            "RouteTableIds": ["rtb-own"],
        },
        {
            "VpcEndpointId": "vpce-secrets",
            "VpcEndpointType": "Interface",
            "ServiceName": "com.amazonaws.eu-west-1.secretsmanager",
            "VpcId": "vpc",
            "State": "available",
            "PrivateDnsEnabled": True,
            "SubnetIds": [THERE],
            "Groups": [{"GroupId": DOOR}],
        },
    ],
    "prefix_lists": {"pl-s3": S3, "pl-dynamodb": DYNAMODB},
}


def egress(found: Found) -> list[Found]:
    rules: list[Found] = found["groups"][OWN]["IpPermissionsEgress"]
    return rules


def routes(found: Found) -> list[Found]:
    own: list[Found] = found["route_tables"][1]["Routes"]
    return own


def out_by(target: dict[str, str]) -> Change:
    """Everything may leave, and goes one way."""

    def change(found: Found) -> None:
        egress(found).append(ALL)
        routes(found).append({"DestinationCidrBlock": "0.0.0.0/0", **target})

    return change


def acl_of_here(*entries: Found) -> Change:
    """A network ACL of the subnet itself."""

    def change(found: Found) -> None:
        own = {"NetworkAclId": "acl-own", "VpcId": "vpc", "IsDefault": False}
        found["acls"].append({**own, "Associations": [{"SubnetId": HERE}], "Entries": list(entries)})

    return change


def to_site(network: Network) -> str | None:
    return to_address(network, PLACE, SITE, PORT)


def to(service: str) -> Callable[[Network], str | None]:
    return lambda network: to_service(network, PLACE, service)


def by_glue(network: Network) -> str | None:
    return glue_refusal(network, PLACE)


def nothing(_found: Found) -> None:
    pass


BOTH_WAYS = (
    entry(100, "10.20.0.0/16", (PORT, PORT), is_out=True),
    entry(100, "10.20.0.0/16", (1024, 65535), is_out=False),
)
CASES: list[tuple[str, Change, Callable[[Network], str | None], str | None]] = [
    ("the database", nothing, to_site, None),
    (
        "no rule out",
        lambda it: egress(it).pop(0),
        to_site,
        "no rule of sg-own lets port 5432 out to 10.20.0.5",
    ),
    (
        "another port",
        lambda it: egress(it)[0].update(FromPort=443, ToPort=443),
        to_site,
        "no rule of sg-own lets port 5432 out to 10.20.0.5",
    ),
    (
        "another protocol",
        lambda it: egress(it)[0].update(IpProtocol="udp"),
        to_site,
        "no rule of sg-own lets port 5432 out to 10.20.0.5",
    ),
    ("every protocol", lambda it: it["groups"][OWN].update(IpPermissionsEgress=[ALL]), to_site, None),
    (
        "no route",
        lambda it: routes(it).pop(1),
        to_site,
        "the route table rtb-own of subnet-here has no route to",
    ),
    (
        "a route to nowhere",
        lambda it: routes(it)[1].update(State="blackhole"),
        to_site,
        "the route to 10.20.0.5 in rtb-own leads to what is not there any more",
    ),
    (
        "the main route table",
        lambda it: it["route_tables"][1].update(Associations=[]),
        to_site,
        "the route table rtb-main of subnet-here has no route to 10.20.0.5",
    ),
    ("an ACL that opens both ways", acl_of_here(*BOTH_WAYS), to_site, None),
    (
        "an ACL without the port",
        acl_of_here(BOTH_WAYS[1]),
        to_site,
        "the network ACL acl-own does not let port 5432 out to 10.20.0.5",
    ),
    (
        "an ACL without the answers",
        acl_of_here(BOTH_WAYS[0], entry(100, "10.20.0.0/16", (PORT, PORT), is_out=False)),
        to_site,
        "the network ACL acl-own does not let answers in from 10.20.0.5",
    ),
    (
        "an ACL whose first rule denies",
        acl_of_here(*BOTH_WAYS, entry(50, "10.20.0.0/16", None, is_out=True, does="deny")),
        to_site,
        "the network ACL acl-own does not let port 5432 out to 10.20.0.5",
    ),
    (
        "a group that is not there",
        lambda it: it["groups"].pop(OWN),
        to_site,
        "The security group 'sg-own' does not exist",
    ),
    (
        "a subnet that is not there",
        lambda it: it["subnets"].pop(HERE),
        by_glue,
        "The subnet ID 'subnet-here' does not exist",
    ),
    ("S3 by its gateway", nothing, to("s3"), None),
    (
        "S3 without its prefix list",
        lambda it: egress(it)[1].update(PrefixListIds=[]),
        to("s3"),
        "no rule of sg-own lets port 443 out to its prefix list",
    ),
    (
        "S3 without its gateway",
        lambda it: it["endpoints"].pop(0),
        to("s3"),
        "vpc has no endpoint of it, and no rule of sg-own lets port 443 out to 52.94.0.1",
    ),
    (
        "the gateway of other routes",
        lambda it: it["endpoints"][0].update(RouteTableIds=["rtb-main"]),
        to("s3"),
        "vpc has no endpoint of it, and",
    ),
    ("secrets by their endpoint", nothing, to("secretsmanager"), None),
    (
        "an endpoint that lets nobody in",
        lambda it: it["groups"][DOOR].update(IpPermissions=[]),
        to("secretsmanager"),
        "no rule of sg-door, the groups of the endpoint vpce-secrets, lets port 443 in",
    ),
    (
        "an endpoint that lets the subnet in",
        lambda it: it["groups"][DOOR].update(IpPermissions=[tcp(443, 443, **blocks("10.0.0.0/16"))]),
        to("secretsmanager"),
        None,
    ),
    (
        "no rule to the endpoint",
        lambda it: egress(it)[1].update(UserIdGroupPairs=[]),
        to("secretsmanager"),
        "no rule of sg-own lets port 443 out to the endpoint vpce-secrets",
    ),
    (
        "an ACL before the endpoint",
        acl_of_here(*BOTH_WAYS),
        to("secretsmanager"),
        "the network ACL acl-own does not let port 443 out to 10.0.1.0",
    ),
    (
        "an endpoint without its name",
        lambda it: it["endpoints"][1].update(PrivateDnsEnabled=False),
        to("secretsmanager"),
        "vpc has no endpoint of it, and",
    ),
    ("a NAT gateway", out_by({"NatGatewayId": "nat"}), to("athena"), None),
    (
        "a NAT gateway that is gone",
        out_by({"NatGatewayId": "nat-gone"}),
        to("athena"),
        "vpc has no endpoint of it, and the NAT gateway nat-gone is not there",
    ),
    (
        "an internet gateway",
        out_by({"GatewayId": "igw-1"}),
        to("athena"),
        "vpc has no endpoint of it, and the route to 52.94.0.1 in rtb-own leads to the"
        " internet gateway igw-1, which takes no interface without a public address",
    ),
    ("Glue", nothing, by_glue, None),
    (
        "Glue without a rule to itself",
        lambda it: it["groups"][OWN].update(IpPermissions=[tcp(0, 65535, **blocks("10.0.0.0/16"))]),
        by_glue,
        "At least one security group must open all ingress ports.",
    ),
    (
        "Glue with one port to itself",
        lambda it: it["groups"][OWN].update(IpPermissions=[tcp(443, 443, **of(OWN))]),
        by_glue,
        "At least one security group must open all ingress ports.",
    ),
    (
        "Glue without S3",
        lambda it: it["endpoints"].pop(0),
        by_glue,
        "VPC S3 endpoint validation failed for SubnetId: subnet-here. VPC: vpc. Reason: Could not find S3"
        " endpoint or NAT gateway for subnetId: subnet-here in Vpc vpc",
    ),
    (
        "Glue with a NAT gateway",
        lambda it: (it["endpoints"].pop(0), out_by({"NatGatewayId": "nat"})(it)),
        by_glue,
        None,
    ),
]


@pytest.mark.parametrize(
    ("change", "ask", "blocked"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_a_way_is_open_or_blocked_by(
    change: Change, ask: Callable[[Network], str | None], blocked: str | None
) -> None:
    found = deepcopy(OPEN)
    change(found)
    reason = ask(Network(**found))
    assert (reason is None) if blocked is None else (reason is not None and reason.startswith(blocked)), (
        reason
    )
