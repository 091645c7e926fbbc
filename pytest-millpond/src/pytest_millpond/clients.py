"""Clients of the stack's AWS API."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

SECRET = "test"  # noqa: S105 (accepted by a local stack only)


class Aws:
    """Makes boto3 clients: ``aws("s3")``.

    Parameters
    ----------
    endpoint_url, region : str
        Of the stack.
    access_key : str
        ``test``, or twelve digits: the account whose resources are seen.
    """

    def __init__(self, endpoint_url: str, region: str, access_key: str) -> None:
        self.endpoint_url = endpoint_url
        self.region = region
        self._access_key = access_key
        self._clients: dict[str, Any] = {}

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which any AWS tool speaks to the stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    @property
    def account_id(self) -> str:
        """Twelve digits."""
        return str(self("sts").get_caller_identity()["Account"])

    def __call__(self, service: str) -> Any:
        """A client, as ``boto3.client`` makes it; one for each service."""
        if service not in self._clients:
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service,
                endpoint_url=self.endpoint_url,
                region_name=self.region,
                aws_access_key_id=self._access_key,
                aws_secret_access_key=SECRET,
                config=Config(
                    connect_timeout=5,
                    read_timeout=120,
                    retries={"mode": "standard", "total_max_attempts": 3},
                    # "sync-" before 127.0.0.1 is no address.
                    inject_host_prefix=False,
                ),
            )
        return self._clients[service]
