"""What operations of EC2 need permissions for, by the ids that their input names.

Source: the Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2".
Operations that list something have no resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_ID = re.compile(r"([a-z]+(?:-[a-z]+)*)-[0-9a-f]{8,17}")
_KINDS = {
    "acl": "network-acl",
    "ami": "image",
    "cgw": "customer-gateway",
    "dopt": "dhcp-options",
    # An association has no permission of its own; whose it is, the engine knows.
    "eipassoc": "elastic-ip",
    "rtbassoc": "route-table",
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "fl": "vpc-flow-log",
    "i": "instance",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "pcx": "vpc-peering-connection",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "snap": "snapshot",
    "subnet": "subnet",
    "tgw": "transit-gateway",
    "vgw": "vpn-gateway",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
    "vpn": "vpn-connection",
}
_MADE = {
    "AllocateAddress": "elastic-ip",
    "CreateCustomerGateway": "customer-gateway",
    "CreateDhcpOptions": "dhcp-options",
    "CreateFlowLogs": "vpc-flow-log",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreateNetworkAcl": "network-acl",
    "CreateNetworkInterface": "network-interface",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateTransitGateway": "transit-gateway",
    "CreateVolume": "volume",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
    "CreateVpcPeeringConnection": "vpc-peering-connection",
    "CreateVpnConnection": "vpn-connection",
    "CreateVpnGateway": "vpn-gateway",
    "RunInstances": "instance",
}
# A way is the route table's, and a rule that is taken out is its group's; nothing else is asked for.
_ONLY = {
    **dict.fromkeys(("CreateRoute", "DeleteRoute", "ReplaceRoute"), ("RouteTableId",)),
    **dict.fromkeys(("RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"), ("GroupId",)),
}


def resources(operation: str, members: Mapping[str, Any], arn: str) -> Iterator[str]:
    """ARNs of the resources that an operation works on; none where it has none.

    Parameters
    ----------
    operation : str
        For example ``CreateSubnet``.
    members : mapping
        Its input.
    arn : str
        What they begin with.
    """
    if operation.startswith(("Describe", "Get", "List")):
        return
    if kind := _MADE.get(operation):
        yield f"{arn}{kind}/*"
    only = _ONLY.get(operation)
    for name, value in members.items():
        if only is None or name in only:
            for one in value if isinstance(value, list) else [value]:
                found = _ID.fullmatch(one) if isinstance(one, str) else None
                if found and found[1] in _KINDS:
                    yield f"{arn}{_KINDS[found[1]]}/{one}"


def tagged(operation: str, members: Mapping[str, Any], arn: str) -> Iterator[str]:
    """ARNs of what an operation makes and tags, which is a permission of its own."""
    for one in members.get("TagSpecifications") or ():
        if operation in _MADE and one.get("Tags"):
            yield f"{arn}{one.get('ResourceType', _MADE[operation])}/*"
