"""``millpond network``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Json
from millpond.client import permissions
from millpond.client.aws import Aws
from millpond.planes.iam.ledger import from_json
from millpond.planes.network import (
    ENDPOINTS,
    Network,
    Place,
    database_of,
    glue_refusal,
    read_network,
    to_address,
    to_service,
)

# What a service asks for a caller, and not the caller itself by the network: encryption, placing interfaces.
_BY_OTHERS = {"ec2", "iam", "kms", "xray"}
# What Glue writes for a run, whatever the script calls.
_OF_GLUE = ("s3", "logs", "monitoring")


class Question(StrEnum):
    """What can be asked."""

    check = "check"


@dataclass(frozen=True)
class Way:
    """A way.

    Parameters
    ----------
    of : str
        What takes it.
    subnet : str
        Where it begins.
    to : str
        Where it leads.
    blocked_by : str
        What blocks it; empty if it is open.
    """

    of: str
    subnet: str
    to: str
    blocked_by: str = ""


def network(
    _question: Annotated[
        Question,
        typer.Argument(metavar="check", help="check: from jobs, functions and builds to what they call."),
    ] = Question.check,
    as_json: Json = False,
) -> None:
    """Show which ways through a VPC are open, and what blocks the others; exits with 1 if one is blocked.

    The services are those that the role of a job, function or build has called so far.
    """
    settings = load_settings()
    aws = Aws(settings)
    found = read_network(aws.client("ec2"), settings.region)
    ways = list(_ways(aws, found, _called(permissions.ask(settings)["judgements"])))
    if as_json:
        console.show_json([vars(one) for one in ways])
    else:
        console.show_table(("from", "to", "way"), list(_rows(ways)))
    if any(one.blocked_by for one in ways):
        raise typer.Exit(1)


def _rows(ways: Iterable[Way]) -> Iterator[tuple[str, str, str]]:
    """Those with one answer in one row."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in ways:
        grouped.setdefault((one.of, one.subnet, one.blocked_by), []).append(one.to)
    for (of, subnet, reason), ends in grouped.items():
        answer = f"blocked by: {reason}" if reason else "open"
        yield escape(f"{of}, in {subnet}"), escape(", ".join(ends)), escape(answer)


def _called(judgements: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """Names of the endpoints that each role called, by the role's name."""
    called: dict[str, set[str]] = {}
    for one in from_json(judgements):
        service = one.action.partition(":")[0]
        if service not in _BY_OTHERS:
            name = _role_name(one.principal)
            called.setdefault(name, set()).add(ENDPOINTS.get(service, service))
    return called


def _ways(aws: Aws, found: Network, called: dict[str, set[str]]) -> Iterator[Way]:
    glue = aws.client("glue")
    connections = {
        one["Name"]: one
        for page in glue.get_paginator("get_connections").paginate()
        for one in page["ConnectionList"]
    }
    for page in glue.get_paginator("get_jobs").paginate():
        for job in page["Jobs"]:
            for name in (job.get("Connections") or {}).get("Connections", []):
                if name in connections:
                    services = {*_OF_GLUE, *called.get(_role_name(job["Role"]), ())}
                    yield from _of_connection(f"job {job['Name']}", found, connections[name], services)
    for page in aws.client("lambda").get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            # A function's log does not go through its VPC.
            services = called.get(_role_name(function["Role"]), set()) - {"logs"}
            given = function.get("VpcConfig") or {}
            for subnet in given.get("SubnetIds") or ():
                place = Place(subnet, tuple(given.get("SecurityGroupIds") or ()))
                yield from _to_services(f"function {function['FunctionName']}", found, place, services)
    codebuild = aws.client("codebuild")
    names = codebuild.list_projects()["projects"]
    for project in codebuild.batch_get_projects(names=names)["projects"] if names else ():
        given = project.get("vpcConfig") or {}
        for subnet in given.get("subnets") or ():
            place = Place(subnet, tuple(given.get("securityGroupIds") or ()))
            services = called.get(_role_name(project["serviceRole"]), set())
            yield from _to_services(f"build {project['name']}", found, place, services)


def _of_connection(
    of: str, found: Network, connection: dict[str, Any], services: Iterable[str]
) -> Iterator[Way]:
    given = connection.get("PhysicalConnectionRequirements") or {}
    if not given.get("SubnetId"):
        return
    place = Place(given["SubnetId"], tuple(given.get("SecurityGroupIdList") or ()))
    yield Way(of, place.subnet, "Glue", glue_refusal(found, place) or "")
    if target := database_of(connection):
        address, port = target
        yield Way(of, place.subnet, f"{address}:{port}", to_address(found, place, address, port) or "")
    yield from _to_services(of, found, place, services)


def _to_services(of: str, found: Network, place: Place, services: Iterable[str]) -> Iterator[Way]:
    for service in sorted(services):
        yield Way(of, place.subnet, service, to_service(found, place, service) or "")


def _role_name(arn: str) -> str:
    return arn.rpartition("/")[2]
