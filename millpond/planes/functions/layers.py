"""Layers that others publish for everybody, and the packages of PyPI that are in them.

An archive of another account's cannot be had here, but what is in these layers is published elsewhere, too.
Sources: "AWS SDK for pandas", Install, "AWS Lambda Layer"; "Powertools for AWS Lambda (Python)", "Lambda
Layer"; the README of Klayers; "Lambda Insights" in the CloudWatch User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ARN = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:"
# The name of the package of a layer of Klayers is in the name of the layer.
_ITS_NAME = "{package}"
PUBLISHED: Sequence[tuple[str, tuple[str, ...]]] = (
    (r"\d{12}:layer:(?:AWSSDKPandas|AWSDataWrangler)-Python3(?P<minor>\d+)(?:-Arm64)?:\d+", ("awswrangler",)),
    (
        r"017000801446:layer:AWSLambdaPowertoolsPythonV3-python3(?P<minor>\d+)-(?:x86_64|arm64):\d+",
        ("aws-lambda-powertools[all]>=3,<4",),
    ),
    (
        r"770693421928:layer:Klayers-p3(?P<minor>\d+)-(?P<package>[A-Za-z0-9][A-Za-z0-9._-]*):\d+",
        (_ITS_NAME,),
    ),
)
"""What comes after the region in an ARN → requirements, as pip reads them."""


@dataclass(frozen=True)
class PublicLayer:
    """What a layer holds.

    Parameters
    ----------
    python : str
        For which Python, for example ``3.13``.
    requirements : tuple of str
        As pip reads them.
    """

    python: str
    requirements: tuple[str, ...]


def public_layer(arn: str) -> PublicLayer | None:
    """What the version of a layer holds; None if its publisher is not among those that are known.

    The ARN's number does not tell the versions of the packages: they are the newest ones for that Python.
    """
    for pattern, requirements in PUBLISHED:
        if match := re.fullmatch(_ARN + pattern, arn):
            name = match.groupdict().get("package", "")
            return PublicLayer(
                f"3.{match['minor']}", tuple(text.format(package=name) for text in requirements)
            )
    return None
