"""Where a deployment goes: the local stack, or an AWS account."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from string import Template
from typing import Any

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import AccountAws, Aws
from millpond.project.repository import checked_out_branch, origin_url
from millpond.toolchain import components as toolchain

LOCAL_POLL_SECONDS = 0.4
AWS_POLL_SECONDS = 4.0
# Parameters without a default on AWS; a stack that has been deployed keeps their values.
NEEDED_ON_AWS = ("VpcID", "PrivateSubnetIDs", "ConfigRepoURL", "TerraformVariables")


@dataclass(frozen=True)
class Target:
    """An account and a region, and how it is spoken to.

    Parameters
    ----------
    aws : Aws
        Clients of the local stack, or of an account.
    """

    aws: Aws

    @classmethod
    def local(cls, settings: Settings) -> Target:
        """The local stack."""
        return cls(Aws(settings))

    @classmethod
    def account(cls, region: str | None = None) -> Target:
        """The account of the usual credential chain: see :class:`AccountAws`."""
        return cls(AccountAws(region))

    @property
    def is_local(self) -> bool:
        """Whether it is the local stack, which nobody else uses."""
        return self.aws.is_local

    @property
    def poll_seconds(self) -> float:
        """How often it is asked how something goes."""
        return LOCAL_POLL_SECONDS if self.is_local else AWS_POLL_SECONDS

    def default_network(self) -> dict[str, str]:
        """The default VPC and its private subnets, as parameters of the template.

        The local stack, where nobody has made any, gets one with a NAT gateway: a build has no public
        address, and from a public subnet it would find no way out.
        """
        ec2 = self.aws.client("ec2")
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not vpcs:
            raise MillpondError("There is no default VPC.", next_step="millpond down, then millpond deploy")
        vpc = vpcs[0]["VpcId"]
        of_vpc = {"Name": "vpc-id", "Values": [vpc]}
        subnets = ec2.describe_subnets(Filters=[of_vpc])["Subnets"]
        private = [subnet["SubnetId"] for subnet in subnets if not subnet["MapPublicIpOnLaunch"]]
        if self.is_local and not private:
            private = [_private_subnet(ec2, vpc, subnets[0])]
        return {
            "VpcID": vpc,
            "PrivateSubnetIDs": ",".join(sorted(private or [s["SubnetId"] for s in subnets])),
        }


def _private_subnet(ec2: Any, vpc: str, public: Mapping[str, Any]) -> str:
    """A subnet at the end of the VPC's addresses whose way out is a NAT gateway in a public one.

    The VPC gets the internet gateway that AWS's default VPCs have from the beginning.
    """
    of_vpc = {"Name": "vpc-id", "Values": [vpc]}
    attached = ec2.describe_internet_gateways(Filters=[{**of_vpc, "Name": "attachment.vpc-id"}])
    everywhere = {"DestinationCidrBlock": "0.0.0.0/0"}
    if not attached["InternetGateways"]:
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=vpc)
        main = {"Name": "association.main", "Values": ["true"]}
        [table] = ec2.describe_route_tables(Filters=[of_vpc, main])["RouteTables"]
        ec2.create_route(RouteTableId=table["RouteTableId"], GatewayId=internet, **everywhere)
    last = list(ip_network(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"]).subnets(new_prefix=20))[
        -1
    ]
    zone = public["AvailabilityZone"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock=str(last), AvailabilityZone=zone)["Subnet"]["SubnetId"]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=public["SubnetId"], AllocationId=address)["NatGateway"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, NatGatewayId=gateway["NatGatewayId"], **everywhere)
    ec2.associate_route_table(RouteTableId=table, SubnetId=made)
    return str(made)


def local_parameters(settings: Settings, target: Target, terraform: Path) -> dict[str, str]:
    """What the local stack is deployed with, but for the repository.

    Parameters
    ----------
    settings : Settings
        The stack.
    target : Target
        The stack, running.
    terraform : Path
        Terraform, as the toolchain found it: the build runs that.
    """
    return {
        "ProjectName": settings.project,
        "Environment": settings.environment,
        "TerraformVersion": terraform_version(terraform),
        "TerraformVariables": json.dumps(filled(settings.deploy.variables, settings), sort_keys=True),
        **target.default_network(),
    }


def filled(value: Any, settings: Settings) -> Any:
    """A value of ``[deploy.variables]`` with what its ``$`` names stand for."""
    if isinstance(value, Mapping):
        return {name: filled(inner, settings) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, settings) for inner in value]
    if not isinstance(value, str):
        return value
    host, port = settings.onprem_address
    names = {"onprem_host": host, "onprem_port": str(port), "onprem_database": settings.onprem.database}
    return Template(value).safe_substitute(names)


def aws_parameters(
    settings: Settings,
    checkout: Path,
    *,
    file: Path | None,
    branch: str | None,
    git_key: Path | None,
    has_stack: bool,
) -> dict[str, str]:
    """What an account is deployed with: a file of parameters, what the checkout says, and what the stack has.

    Parameters
    ----------
    settings : Settings
        Project and environment.
    checkout : Path
        Its origin and its branch are deployed, unless the file names others.
    file : Path, optional
        JSON object of parameters of the template.
    branch : str, optional
        Branch instead.
    git_key : Path, optional
        File of the private key for the repository.
    has_stack : bool
        Whether there is a stack already, whose other parameters stay as they are.

    Raises
    ------
    MillpondError
        If a file cannot be read, or a parameter is missing.
    """
    overrides = _read_parameters(file) if file else {}
    parameters = {"ProjectName": settings.project, "Environment": settings.environment, **overrides}
    if not has_stack:
        parameters = {"GitBranch": checked_out_branch(checkout) or "main", **parameters}
        if origin := origin_url(checkout):
            parameters = {"ConfigRepoURL": origin, **parameters}
        if missing := [name for name in NEEDED_ON_AWS if name not in parameters]:
            raise MillpondError(
                f"A first deployment needs {', '.join(missing)}.",
                where=str(file) if file else "--parameters FILE",
                next_step='write them as JSON, {"VpcID": "vpc-…", …}, and pass --parameters FILE',
            )
    if branch:
        parameters["GitBranch"] = branch
    if git_key:
        parameters["GitSSHPrivateKey"] = read_git_key(git_key)
    return parameters


def read_git_key(path: Path) -> str:
    """The text of a private key.

    Raises
    ------
    MillpondError
        If there is no such file.
    """
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise MillpondError(
            f"The Git key cannot be read: {error}.", where=str(path), next_step="name another file"
        ) from error


def terraform_version(binary: Path) -> str:
    """The version of a Terraform or an OpenTofu.

    Raises
    ------
    MillpondError
        If it does not say.
    """
    version = toolchain.terraform_version(binary)
    if version is None:
        raise MillpondError(
            "Terraform does not say its version.", where=str(binary), next_step="millpond doctor"
        )
    return version


def _read_parameters(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise MillpondError(
            f"The parameters cannot be read: {error}.", where=str(file), next_step="correct the file"
        ) from error
    if not isinstance(content, Mapping):
        raise MillpondError(
            "The parameters are no JSON object.", where=str(file), next_step="correct the file"
        )
    return {name: _as_text(value) for name, value in content.items()}


def _as_text(value: Any) -> str:
    """A parameter's value as CloudFormation takes it: lists joined, objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(str, value))
    return json.dumps(value, sort_keys=True)
