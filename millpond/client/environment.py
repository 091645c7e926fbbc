"""The environment in which any AWS tool speaks to the stack."""

from __future__ import annotations

from millpond.base.config import Settings
from millpond.client.aws import ACCESS_KEY_ID, SECRET_ACCESS_KEY


def stack_environment(settings: Settings) -> dict[str, str]:
    """Variables that SDKs, AWS's command line, Terraform and LocalStack's wrappers read.

    ``S3_HOSTNAME`` keeps ``tflocal`` from asking a public name server for the address of S3.
    """
    return {
        "AWS_ENDPOINT_URL": settings.endpoint_url,
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "S3_HOSTNAME": "localhost",
    }
