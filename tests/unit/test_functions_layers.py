"""Which layers of other accounts are known, and what is in them."""

from __future__ import annotations

import pytest

from millpond.planes.functions.layers import PublicLayer, public_layer

EUROPE = "arn:aws:lambda:eu-west-1"


@pytest.mark.parametrize(
    ("arn", "layer"),
    [
        (f"{EUROPE}:336392948345:layer:AWSSDKPandas-Python313:4", PublicLayer("3.13", ("awswrangler",))),
        (f"{EUROPE}:336392948345:layer:AWSSDKPandas-Python39-Arm64:31", PublicLayer("3.9", ("awswrangler",))),
        (
            f"{EUROPE}:017000801446:layer:AWSLambdaPowertoolsPythonV3-python312-x86_64:7",
            PublicLayer("3.12", ("aws-lambda-powertools[all]>=3,<4",)),
        ),
        (f"{EUROPE}:770693421928:layer:Klayers-p312-PyYAML:1", PublicLayer("3.12", ("PyYAML",))),
        (f"{EUROPE}:123456789012:layer:own:1", None),
        (f"{EUROPE}:336392948345:layer:AWSSDKPandas-Python313", None),
        # What pip would read as an option.
        (f"{EUROPE}:770693421928:layer:Klayers-p312---no-deps:1", None),
    ],
)
def test_a_public_layer_is_known_by_its_arn(arn: str, layer: PublicLayer | None) -> None:
    assert public_layer(arn) == layer
