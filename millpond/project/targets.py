"""Where a deployment goes: the local stack, or an AWS account."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.project.repository import checked_out_branch, origin_url
from millpond.toolchain import components as toolchain

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client

ONPREM_DATABASE = "erp"
# An address for documentation (RFC 5737): the local network has a VPN to a site that nobody has.
SITE_ADDRESS = "203.0.113.10"
LOCAL_POLL_SECONDS = 0.4
AWS_POLL_SECONDS = 4.0
# What nobody can guess for an account; the stack keeps it from then on.
NEEDED_ON_AWS = ("VpcID", "PrivateSubnetIDs", "ConfigRepoURL", "TerraformVariables")


@dataclass(frozen=True)
class Target:
    """An account and a region, and how it is spoken to.

    Parameters
    ----------
    session : boto3.Session
        Credentials and region.
    endpoint_url : str, optional
        Address of the AWS API; what the SDK finds itself unless given.
    poll_seconds : float
        How often it is asked how something goes.
    is_local : bool
        Whether it is the local stack, which nobody else uses.
    """

    session: boto3.Session
    endpoint_url: str | None
    poll_seconds: float
    is_local: bool

    @classmethod
    def local(cls, settings: Settings) -> Target:
        """The local stack."""
        return cls(Aws(settings).session, settings.endpoint_url, LOCAL_POLL_SECONDS, is_local=True)

    @classmethod
    def aws(cls, region: str | None = None) -> Target:
        """The account and the region of the usual credential chain.

        Raises
        ------
        MillpondError
            If there are no credentials, no region, or the credentials are not accepted.
        """
        try:
            # Every SDK but this one reads AWS_REGION.
            session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
            target = cls(session, None, AWS_POLL_SECONDS, is_local=False)
            if not target.session.region_name:
                raise MillpondError("No AWS region is chosen.", next_step="export AWS_REGION=…, or --region")
            target.account()
        except (BotoCoreError, ClientError) as error:
            raise MillpondError(
                f"AWS does not accept your credentials: {error}",
                where="environment, profile or instance role",
                next_step="aws configure or aws sso login, then aws sts get-caller-identity",
            ) from error
        return target

    @property
    def region(self) -> str:
        return str(self.session.region_name)

    def account(self) -> str:
        return str(self._client("sts").get_caller_identity()["Account"])

    @property
    def cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation")
        return client

    @property
    def codebuild(self) -> CodeBuildClient:
        client: CodeBuildClient = self._client("codebuild")
        return client

    @property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client("logs")
        return client

    @property
    def s3(self) -> S3Client:
        client: S3Client = self._client("s3")
        return client

    def default_network(self) -> dict[str, str]:
        """The default VPC and its subnets, as parameters of the template."""
        ec2 = self._client("ec2")
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        if not vpcs:
            raise MillpondError("There is no default VPC.", next_step="millpond down, then millpond deploy")
        vpc = vpcs[0]["VpcId"]
        subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        return {"VpcID": vpc, "PrivateSubnetIDs": ",".join(sorted(one["SubnetId"] for one in subnets))}

    def _client(self, service: str) -> Any:
        config = Config(retries={"mode": "standard", "total_max_attempts": 5})
        make: Any = self.session.client
        return make(service, endpoint_url=self.endpoint_url, config=config)


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
    host, port = settings.onprem_address
    onprem = {"host": host, "port": port, "name": ONPREM_DATABASE}
    return {
        "ProjectName": settings.project,
        "Environment": settings.environment,
        "TerraformVersion": terraform_version(terraform),
        # What is in a local stack can be made again, so nothing keeps it from being removed.
        "TerraformVariables": json.dumps(
            {"onprem_db": onprem, "is_protected": False, "customer_gateway_ip": SITE_ADDRESS}, sort_keys=True
        ),
        **target.default_network(),
    }


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
    given = _read_parameters(file) if file else {}
    parameters = {"ProjectName": settings.project, "Environment": settings.environment, **given}
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
