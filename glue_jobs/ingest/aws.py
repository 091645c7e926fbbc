"""The AWS clients of a run; endpoint, region and credentials come from the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBServiceResource
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Aws:
    """One client per service.

    Parameters
    ----------
    dynamodb : boto3 DynamoDB resource
    glue, s3, secretsmanager : boto3 clients
    """

    dynamodb: DynamoDBServiceResource
    glue: GlueClient
    s3: S3Client
    secretsmanager: Any

    @classmethod
    def from_environment(cls) -> Aws:
        """Clients as the AWS SDK configures them."""
        return cls(
            dynamodb=boto3.resource("dynamodb"),
            glue=boto3.client("glue"),
            s3=boto3.client("s3"),
            secretsmanager=boto3.client("secretsmanager"),
        )
