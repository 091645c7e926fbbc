"""The network of a region as EC2 describes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from millpond.planes.network.ways import Network, Place


def read_network(ec2: Any, region: str, vpc: str = "") -> Network:
    """All that a client of EC2 sees, of a VPC where one is named."""
    filters = [{"Name": "vpc-id", "Values": [vpc]}] if vpc else []

    def every(operation: str, member: str, filter_name: str = "Filters") -> list[dict[str, Any]]:
        pages = ec2.get_paginator(operation).paginate(**{filter_name: filters})
        return [one for page in pages for one in page[member]]

    lists = ec2.get_paginator("describe_prefix_lists").paginate()
    return Network(
        region,
        subnets=_by("SubnetId", every("describe_subnets", "Subnets")),
        groups=_by("GroupId", every("describe_security_groups", "SecurityGroups")),
        nat_gateways=_by("NatGatewayId", every("describe_nat_gateways", "NatGateways", "Filter")),
        route_tables=every("describe_route_tables", "RouteTables"),
        acls=every("describe_network_acls", "NetworkAcls"),
        endpoints=every("describe_vpc_endpoints", "VpcEndpoints"),
        prefix_lists={
            one["PrefixListId"]: one["PrefixListName"] for page in lists for one in page["PrefixLists"]
        },
    )


def read_around(ec2: Any, region: str, place: Place) -> Network:
    """What Glue looks at before a run: the place, the routes of its VPC and the endpoints there.

    Raises
    ------
    ClientError
        If the place is not there, or may not be looked at.
    """
    subnets = ec2.describe_subnets(SubnetIds=[place.subnet])["Subnets"]
    groups = ec2.describe_security_groups(GroupIds=list(place.groups))["SecurityGroups"]
    of_vpc = [{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    return Network(
        region,
        subnets=_by("SubnetId", subnets),
        groups=_by("GroupId", groups),
        route_tables=ec2.describe_route_tables(Filters=of_vpc)["RouteTables"],
        endpoints=ec2.describe_vpc_endpoints(Filters=of_vpc)["VpcEndpoints"],
    )


def _by(name: str, found: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(one[name]): one for one in found}
