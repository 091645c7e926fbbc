"""Clients of the AWS API: of the local stack, or of an account."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from millpond.base.config import Settings
from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

# The engine takes the account from the access key; this pair stands for its default account.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"  # noqa: S105 (accepted by the local engine only)


class Aws:
    """Typed boto3 clients for one stack, each made when it is first used.

    Parameters
    ----------
    settings : Settings
        Names the endpoint and the region.
    """

    def __init__(self, settings: Settings) -> None:
        self.session = boto3.Session(
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            region_name=settings.region,
        )
        self.endpoint_url: str | None = settings.endpoint_url
        # A local engine answers or it is broken: a short wait shows which.
        self._config = Config(
            connect_timeout=5,
            read_timeout=120,
            retries={"mode": "standard", "total_max_attempts": 3},
            # "sync-" before 127.0.0.1 is no address.
            inject_host_prefix=False,
        )

    @property
    def is_local(self) -> bool:
        """Whether it is the local stack, which nobody else uses."""
        return self.endpoint_url is not None

    @property
    def region(self) -> str:
        """The region of every client."""
        return str(self.session.region_name)

    @cached_property
    def account_id(self) -> str:
        """The account of the credentials: twelve digits."""
        return self.sts.get_caller_identity()["Account"]

    def client(self, service: str) -> Any:
        """A client of any other service."""
        return self.session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint_url,
            config=self._config,
        )

    @cached_property
    def athena(self) -> AthenaClient:
        return self.session.client("athena", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self.session.client("cloudformation", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def codebuild(self) -> CodeBuildClient:
        return self.session.client("codebuild", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self.session.client("dynamodb", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def glue(self) -> GlueClient:
        return self.session.client("glue", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def lambda_(self) -> LambdaClient:
        return self.session.client("lambda", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self.session.client("logs", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def s3(self) -> S3Client:
        return self.session.client("s3", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        return self.session.client("secretsmanager", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def ssm(self) -> SSMClient:
        return self.session.client("ssm", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return self.session.client("stepfunctions", endpoint_url=self.endpoint_url, config=self._config)

    @cached_property
    def sts(self) -> STSClient:
        return self.session.client("sts", endpoint_url=self.endpoint_url, config=self._config)


class AccountAws(Aws):
    """The same clients for the account and the region of the usual credential chain.

    Parameters
    ----------
    region : str, optional
        Another region than the usual one.

    Raises
    ------
    MillpondError
        If there are no credentials, no region, or the credentials are not accepted.
    """

    def __init__(self, region: str | None = None) -> None:
        try:
            # Every SDK but this one reads AWS_REGION.
            self.session = boto3.Session(region_name=region or os.environ.get("AWS_REGION"))
            self.endpoint_url = None
            self._config = Config(retries={"mode": "standard", "total_max_attempts": 5})
            if not self.session.region_name:
                raise MillpondError("No AWS region is chosen.", next_step="export AWS_REGION=…, or --region")
            self.account_id = self.sts.get_caller_identity()["Account"]
        except (BotoCoreError, ClientError) as error:
            raise MillpondError(
                f"AWS does not accept your credentials: {error}",
                where="environment, profile or instance role",
                next_step="aws configure or aws sso login, then aws sts get-caller-identity",
            ) from error
