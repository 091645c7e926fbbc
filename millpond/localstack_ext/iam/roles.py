"""Services of the engine that act by a role."""

from __future__ import annotations

from typing import Any

from localstack.aws.connect import connect_to


def assume(role: str, service: str, source: str, account: str, region: str) -> dict[str, str]:
    """Credentials of a role that a service assumes for one of its resources.

    Parameters
    ----------
    role : str
        Its ARN.
    service : str
        The first part of the service's principal, for example ``scheduler``.
    source : str
        ARN of the resource: ``aws:SourceArn`` of the trust policy.
    account, region : str
        Where the resource is.

    Raises
    ------
    ClientError
        If the role does not trust the service.
    """
    clients: Any = connect_to(aws_access_key_id=account, region_name=region)
    sts = clients.sts.request_metadata(service_principal=service, source_arn=source)
    credentials: dict[str, str] = sts.assume_role(RoleArn=role, RoleSessionName=service)["Credentials"]
    return credentials


def clients_of(credentials: dict[str, str], region: str) -> Any:
    """Clients that act by a role."""
    return connect_to(
        region_name=region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
