"""Clients of the local stack's AWS API."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from millpond.base.config import Settings

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
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
        self._endpoint_url = settings.endpoint_url
        # A local engine answers or it is broken: a short wait shows which.
        self._config = Config(
            connect_timeout=5, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 3}
        )

    def client(self, service: str) -> Any:
        """A client of any other service."""
        return self.session.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self._endpoint_url,
            config=self._config,
        )

    @cached_property
    def athena(self) -> AthenaClient:
        return self.session.client("athena", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self.session.client("dynamodb", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def glue(self) -> GlueClient:
        return self.session.client("glue", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def lambda_(self) -> LambdaClient:
        return self.session.client("lambda", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self.session.client("logs", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def s3(self) -> S3Client:
        return self.session.client("s3", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def secretsmanager(self) -> SecretsManagerClient:
        return self.session.client("secretsmanager", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def ssm(self) -> SSMClient:
        return self.session.client("ssm", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def stepfunctions(self) -> SFNClient:
        return self.session.client("stepfunctions", endpoint_url=self._endpoint_url, config=self._config)

    @cached_property
    def sts(self) -> STSClient:
        return self.session.client("sts", endpoint_url=self._endpoint_url, config=self._config)
