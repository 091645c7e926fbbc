"""Where the console reads: the stack of this project, an account of AWS, or any endpoint with its API."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Literal

import boto3
from botocore.config import Config

from millpond.base.config import Settings, load_settings
from millpond.client.aws import ACCESS_KEY_ID, SECRET_ACCESS_KEY, AccountAws, Aws

VARIABLE = "MILLPOND_CONSOLE"
"""The variable of the environment that hands an :class:`Opening` on to the console's process."""

# Made before the first page asks: boto3 makes no two clients of a session at once safely.
_USED = ("athena", "codebuild", "glue", "lambda_", "logs", "s3", "stepfunctions", "cloudformation")


@dataclass(frozen=True)
class Opening:
    """How a console is opened.

    Parameters
    ----------
    port : int
        Where it listens on 127.0.0.1.
    token : str
        What lets in.
    target : {"local", "aws", "endpoint"}
        The stack of this project, an account of AWS, or any other endpoint.
    endpoint_url : str
        Of that other endpoint.
    region : str
        AWS region; empty for the usual one.
    is_browsed : bool
        Whether the browser of the machine shall open it.
    """

    port: int
    token: str
    target: Literal["local", "aws", "endpoint"] = "local"
    endpoint_url: str = ""
    region: str = ""
    is_browsed: bool = False

    @property
    def address(self) -> str:
        """Where it opens, with the token."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def to_environment(self) -> dict[str, str]:
        """The variable for the console's process."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Opening:
        """What the process was started with."""
        return cls(**json.loads(os.environ[VARIABLE]))


class EndpointAws(Aws):
    """Clients of any endpoint, with the usual credentials, or those of a local one where there are none.

    Parameters
    ----------
    endpoint_url, region : str
        Where it is; the region may be empty for the usual one.
    """

    def __init__(self, endpoint_url: str, region: str) -> None:
        self.session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or "us-east-1")
        if self.session.get_credentials() is None:
            self.session = boto3.Session(ACCESS_KEY_ID, SECRET_ACCESS_KEY, region_name=self.region)
        self.endpoint_url = endpoint_url
        self._config = Config(
            connect_timeout=5,
            read_timeout=120,
            retries={"mode": "standard", "total_max_attempts": 3},
            inject_host_prefix=False,
        )


@dataclass(frozen=True)
class Source:
    """What the console reads from.

    Parameters
    ----------
    aws : Aws
        Clients.
    settings : Settings or None
        Of the stack of this project; None for what is not a stack of Millpond's own.
    """

    aws: Aws
    settings: Settings | None

    @property
    def is_read_only(self) -> bool:
        """Whether the console may only look: it changes nothing but the stack of this project."""
        return self.settings is None

    @property
    def name(self) -> str:
        """Where this is, for the head of each page."""
        return f"{self.aws.endpoint_url or 'AWS'} · {self.aws.region}"


def open_source(opening: Opening) -> Source:
    """The source that a console is opened for.

    Raises
    ------
    MillpondError
        If an account does not accept the credentials.
    """
    if opening.target == "local":
        settings = load_settings()
        source = Source(Aws(settings), settings)
    elif opening.target == "aws":
        source = Source(AccountAws(opening.region or None), None)
    else:
        source = Source(EndpointAws(opening.endpoint_url, opening.region), None)
    for name in _USED:
        getattr(source.aws, name)
    return source
