"""Where a run stands: Glue places interfaces into the subnet of a connection, in the name of the run's role.

Source: the Glue Developer Guide, "Setting up network access to data stores" and "Troubleshooting AWS Glue
errors". The interface itself is not made: whether it could be is asked with ``DryRun``. A database that no
way leads to is told of before a run begins, not when its script asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from millpond.planes.glue.exceptions import LaunchError
from millpond.planes.network import Place, database_of, glue_refusal, read_around, read_network, to_address

_MARK = [{"Key": "aws-glue-service-resource", "Value": "true"}]


def look_up(glue: Any, name: str) -> None:
    """Look a connection up with the client of a role.

    Raises
    ------
    LaunchError
        If the role may not.
    """
    try:
        glue.get_connection(Name=name)
    except ClientError as error:
        raise LaunchError(f"DataCatalog Connection issue: {_message(error)}") from error


def has_place(connection: Mapping[str, Any]) -> bool:
    """Whether a connection is within a VPC."""
    return bool((connection.get("PhysicalConnectionRequirements") or {}).get("SubnetId"))


def stand(ec2: Any, region: str, connection: Mapping[str, Any], *, is_in_force: bool) -> None:
    """Look at the place of a connection with the client of a role, as before an interface is made there.

    Raises
    ------
    LaunchError
        If Glue would not place an interface there, or the role may not, where that is in force.
    """
    reason = refusal(ec2, region, connection) or _without_interface(ec2, place_of(connection))
    if reason and is_in_force:
        raise LaunchError(reason)


def refusal(ec2: Any, region: str, connection: Mapping[str, Any]) -> str | None:
    """Why Glue would not place an interface where a connection is, in its words; None if it would."""
    place = place_of(connection)
    try:
        return glue_refusal(read_around(ec2, region, place), place)
    except ClientError as error:
        return _message(error)


def without_database(ec2: Any, region: str, connection: Mapping[str, Any]) -> str | None:
    """What keeps a connection from its database, as a driver tells of it; None if nothing does.

    Parameters
    ----------
    ec2 : client
        Of the service: what routers and groups do is no matter of a role.
    region : str
        Where the network is.
    connection : mapping
        Within a VPC.
    """
    end, place = database_of(connection), place_of(connection)
    if end is None:
        return None
    try:
        vpc = ec2.describe_subnets(SubnetIds=[place.subnet])["Subnets"][0]["VpcId"]
    except ClientError as error:
        return _message(error)
    address, port = end
    reason = to_address(read_network(ec2, region, vpc), place, address, port)
    return (
        f"The connection attempt failed: connect to {address}:{port} timed out ({reason})."
        if reason
        else None
    )


def place_of(connection: Mapping[str, Any]) -> Place:
    """Where the interface of a connection stands."""
    given = connection["PhysicalConnectionRequirements"]
    return Place(given["SubnetId"], tuple(given.get("SecurityGroupIdList") or ()))


def _without_interface(ec2: Any, place: Place) -> str | None:
    """Why a role may not make an interface."""
    try:
        ec2.create_network_interface(
            SubnetId=place.subnet,
            Groups=list(place.groups),
            TagSpecifications=[{"ResourceType": "network-interface", "Tags": _MARK}],
            DryRun=True,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "DryRunOperation":
            return None
        if "ec2:CreateTags" in _message(error):
            return (
                "The specified role doesn't have a permission to create a tag for your elastic network "
                "interface."
            )
        return _message(error)
    return None


def _message(error: ClientError) -> str:
    return str(error.response["Error"]["Message"])
