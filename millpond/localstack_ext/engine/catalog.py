"""What this engine supports, from what is installed; LocalStack's own catalogue is fetched from its maker."""

from __future__ import annotations

from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor
from localstack.utils.catalog.catalog import CatalogPlugin
from localstack.utils.catalog.common import (
    CloudFormationResourcesSupportAtRuntime,
    CloudFormationResourcesSupportInLatest,
)


class InstalledCatalog(CatalogPlugin):
    """Asked before a stack is made, and for the words of an error."""

    # LocalStack prefers a plug-in of this name to its own.
    name = "aws-catalog-remote-state-with-license"

    def get_aws_service_status(self, service_name: str, operation_name: str | None = None) -> None:
        """Unknown: who asks has found already that the operation is missing."""

    def get_cloudformation_resource_status(
        self,
        resource_name: str,
        service_name: str,  # noqa: ARG002
        is_pro_resource: bool = False,  # noqa: ARG002
    ) -> CloudFormationResourcesSupportAtRuntime | CloudFormationResourcesSupportInLatest:
        if ResourceProviderExecutor.try_load_resource_provider(resource_name) is None:
            return CloudFormationResourcesSupportInLatest.NOT_SUPPORTED
        return CloudFormationResourcesSupportAtRuntime.AVAILABLE
