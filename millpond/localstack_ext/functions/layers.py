"""Layers of other accounts: those that are published for everybody are made of their packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localstack.aws.api.lambda_ import InvalidParameterValueException, Runtime
from localstack.services.lambda_ import api_utils
from localstack.services.lambda_.invocation.lambda_models import HotReloadingCode, Layer, LayerVersion
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.services.lambda_.layerfetcher.layer_fetcher import LayerFetcher

from millpond.localstack_ext.functions.runtimes import home_of_installs
from millpond.planes.functions import FunctionError
from millpond.planes.functions.layers import public_layer
from millpond.toolchain.bootstrap import BootstrapError
from millpond.toolchain.layers import install_elsewhere, place_of

_UNKNOWN = (
    "Millpond cannot have the layer {arn}, which another account publishes. It makes those of AWS SDK for "
    "pandas, of Powertools for AWS Lambda (V3) and of Klayers of their packages. Publish what is in any "
    "other one as a layer of your own: aws lambda publish-layer-version"
)


@dataclass(frozen=True)
class InstalledCode(HotReloadingCode):
    """The packages of a layer in a folder of this machine, there once a function is made ready.

    Parameters
    ----------
    python : str
        For which Python.
    requirements : tuple of str
        As pip reads them.
    """

    python: str = ""
    requirements: tuple[str, ...] = ()

    def is_hot_reloading(self) -> bool:
        return False

    def prepare_for_execution(self) -> None:
        """Install them; what is raised becomes the reason why the function failed.

        Raises
        ------
        FunctionError
            If they cannot be had.
        """
        try:
            install_elsewhere(home_of_installs(), self.python, self.requirements)
        except BootstrapError as error:
            raise FunctionError("InvalidParameterValueException", str(error)) from error


class PublicLayers(LayerFetcher):
    """What LocalStack asks for a layer of another account."""

    def fetch_layer(self, layer_version_arn: str) -> Layer:
        """The layer with the version that is asked for.

        Raises
        ------
        InvalidParameterValueException
            If nobody is known to publish what is in it elsewhere, or nothing can be installed here.
        """
        held = public_layer(layer_version_arn)
        if held is None:
            raise InvalidParameterValueException(_UNKNOWN.format(arn=layer_version_arn), Type="User")
        try:
            home = home_of_installs()
        except FunctionError as error:
            raise InvalidParameterValueException(str(error), Type="User") from error
        arn, _, number = layer_version_arn.rpartition(":")
        region, account, name, _ = api_utils.parse_layer_arn(layer_version_arn)
        layers: Any = lambda_stores[account][region].layers
        layer = layers.get(name) or Layer(arn)
        runtime = f"python{held.python}"
        place = place_of(home, held.python, held.requirements)
        layer.layer_versions[number] = LayerVersion(
            layer_version_arn=layer_version_arn,
            layer_arn=arn,
            version=int(number),
            code=InstalledCode(str(place), python=held.python, requirements=held.requirements),
            license_info=None,
            compatible_runtimes=[Runtime(runtime)] if runtime in set(Runtime) else None,
            compatible_architectures=None,
            created=api_utils.generate_lambda_date(),
            description=f"{', '.join(held.requirements)}, as PyPI has it",
        )
        return layer
