"""CloudFormation's resource providers: those that LocalStack lacks, and LocalStack's without its pretences.

A property that would be left out, and a change that would not be made, fail the resource with their names.
"""

from __future__ import annotations

import logging
from copy import deepcopy
from functools import cache
from typing import Any

from botocore.exceptions import ClientError
from localstack.services.cloudformation.engine.v2 import change_set_resource_support_checker as support
from localstack.services.cloudformation.resource_provider import (
    OperationStatus,
    ProgressEvent,
    ResourceProvider,
    ResourceProviderExecutor,
    ResourceRequest,
    convert_payload,
    plugin_manager,
)

from millpond.localstack_ext.cloudformation.codebuild_project import CodeBuildProjectProvider
from millpond.localstack_ext.cloudformation.custom import CustomProvider, is_custom
from millpond.localstack_ext.cloudformation.generic import PHYSICAL_ID, GenericProvider, is_not_found
from millpond.localstack_ext.cloudformation.managed_policies import ManagedPolicyProvider
from millpond.localstack_ext.cloudformation.nested import NestedStackProvider
from millpond.localstack_ext.cloudformation.resources import SETTLINGS, Properties, Settling, names
from millpond.localstack_ext.cloudformation.served import is_served
from millpond.localstack_ext.cloudformation.table import TABLE
from millpond.localstack_ext.engine import patches

LOG = logging.getLogger(__name__)
_LISTED = "docs/coverage/cloudformation-types.md"

_WITHOUT_SERVER = ("AWS::Elasticsearch::Domain", "AWS::OpenSearchService::Domain", "AWS::Redshift::Cluster")

# What makes a resource with more of its properties than LocalStack's own does.
_BETTER: dict[str, Any] = {ManagedPolicyProvider.TYPE: ManagedPolicyProvider}
_OWN = {provider.TYPE: provider for provider in (CodeBuildProjectProvider,)}


class HonestProvider(ResourceProvider[Properties]):
    """A provider around another one, which passes refusals of the service on.

    Parameters
    ----------
    inner : ResourceProvider
        Makes and deletes the resource.
    """

    def __init__(self, inner: ResourceProvider[Properties]) -> None:
        self._inner = inner
        self.TYPE = str(inner.SCHEMA["typeName"])
        self.SCHEMA = inner.SCHEMA

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        return self._inner.create(request)

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        try:
            return self._inner.update(request)
        except NotImplementedError:
            return _failed(request, f"Resources of type {self.TYPE} cannot be changed here")
        except ClientError as error:
            return _failed(request, str(error))

    def delete(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        try:
            if self.TYPE == "AWS::S3::Bucket":
                # LocalStack empties a bucket first, and what is in it would be lost.
                request.aws_client_factory.s3.delete_bucket(Bucket=_former(request)["BucketName"])
                return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})
            return self._inner.delete(request)
        except ClientError as error:
            if is_not_found(error):
                return ProgressEvent(status=OperationStatus.SUCCESS, resource_model={})
            return _failed(request, str(error))

    def read(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        # What LocalStack's providers read is not in the form of the template, so it is not compared.
        raise NotImplementedError

    def list(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        return self._inner.list(request)


class SettledProvider(HonestProvider):
    """A provider around another one, which sets the properties that the other leaves out.

    Parameters
    ----------
    inner : ResourceProvider
        Makes and deletes the resource.
    settling : Settling
        Sets its properties.
    """

    def __init__(self, inner: ResourceProvider[Properties], settling: Settling) -> None:
        super().__init__(inner)
        self._settling = settling
        self._read_only = names(inner.SCHEMA.get("readOnlyProperties"))
        self._create_only = names(inner.SCHEMA.get("createOnlyProperties"))

    def create(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        known = self._settling.mutable | self._settling.fixed | self._read_only
        if unknown := sorted(set(request.desired_state) - known):
            return _failed(request, f"{self.TYPE} is made here without {', '.join(unknown)}: leave it out")
        wanted = deepcopy(dict(request.desired_state))
        if self.TYPE == "AWS::S3::Bucket":
            # LocalStack's default is a bucket that everybody can read.
            request.desired_state.setdefault("AccessControl", "Private")
        event = self._inner.create(request)
        if event.status is not OperationStatus.SUCCESS:
            return event
        identifying = self._read_only | self._create_only
        model = {
            name: value for name, value in (event.resource_model or {}).items() if name in identifying
        } | wanted
        try:
            self._settling.settle(request.aws_client_factory, model, {})
        except ClientError as error:
            request.previous_state = request.desired_state = model
            self.delete(request)
            return _failed(request, str(error))
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)

    def update(self, request: ResourceRequest[Properties]) -> ProgressEvent[Properties]:
        wanted, old = dict(request.desired_state), _former(request)
        changed = {
            name
            for name in wanted.keys() | old.keys()
            if wanted.get(name) != old.get(name) and name not in self._read_only | self._create_only
        }
        if refused := sorted(changed - self._settling.mutable):
            return _failed(request, f"{', '.join(refused)} of {self.TYPE} cannot be changed here")
        kept = {name: old[name] for name in self._read_only | self._create_only if name in old}
        model = {**kept, **wanted}
        try:
            self._settling.settle(request.aws_client_factory, model, old)
        except ClientError as error:
            return _failed(request, str(error))
        return ProgressEvent(status=OperationStatus.SUCCESS, resource_model=model)


def execute_action(self: Any, resource_provider: Any, raw_payload: Any) -> ProgressEvent[Properties]:
    """Let a provider do what a payload says; whatever it raises is the reason why that failed.

    LocalStack has other words for it, and calls a change that a provider cannot make a success.
    """
    request: ResourceRequest[Properties] = convert_payload(self.stack_name, self.stack_id, raw_payload)
    verbs = {"Add": resource_provider.create, "Remove": resource_provider.delete}
    try:
        event: ProgressEvent[Properties] = verbs.get(raw_payload["action"], resource_provider.update)(request)
    except NotImplementedError:
        kind = raw_payload.get("resourceType") or request.logical_resource_id
        return _failed(request, f"{kind} is not available in Millpond as it is declared ({_LISTED})")
    except ClientError as error:
        answer = error.response["Error"]
        said = f'Resource handler returned message: "{answer.get("Message", "")}" ({answer["Code"]})'
        return _failed(request, said)
    except Exception as error:
        LOG.warning("%s of %s broke off", raw_payload["action"], request.logical_resource_id, exc_info=True)
        return _failed(request, f"{type(error).__name__}: {error}")
    return event


def physical_id(
    theirs: Any, self: Any, resource_model: Any, resource_type: str, resource_type_schema: Any
) -> str:
    """The physical id of a resource; rows of the table, nested stacks and custom resources keep their own."""
    if PHYSICAL_ID in resource_model:
        return str(resource_model[PHYSICAL_ID])
    return str(theirs(self, resource_model, resource_type, resource_type_schema))


@cache
def _generic(resource_type: str) -> GenericProvider | None:
    row = TABLE.get(resource_type)
    return GenericProvider(resource_type, row) if row is not None and is_served(row) else None


def try_load_resource_provider(theirs: Any, resource_type: str) -> Any:
    """The provider of a type, or None if there is none."""
    if resource_type and is_custom(resource_type):
        return CustomProvider()
    if resource_type == NestedStackProvider.TYPE:
        return NestedStackProvider()
    if (provider := _generic(resource_type)) is not None:
        return provider
    if (own := _OWN.get(resource_type)) is not None:
        return HonestProvider(own())
    if (better := _BETTER.get(resource_type)) is not None:
        inner = better()
    else:
        inner = None if resource_type in _WITHOUT_SERVER else theirs(resource_type)
    if inner is None:
        return None
    settling = SETTLINGS.get(resource_type)
    return HonestProvider(inner) if settling is None else SettledProvider(inner, settling)


def theirs() -> list[str]:
    """The types of LocalStack's own providers, but for those whose server cannot be had here."""
    return [str(k) for k in plugin_manager.list_names() if "::" in k and k not in _WITHOUT_SERVER]


def refusal(resource_type: str, _status: Any) -> str:
    """What a template is answered with that has a type without a provider."""
    return f"{resource_type} is not available in Millpond ({_LISTED})"


def install_providers() -> None:
    """Let LocalStack's stacks use the resource providers of this module."""
    patches.replace(support, "_build_resource_failure_message", refusal)
    patches.wrap(ResourceProviderExecutor, "try_load_resource_provider", try_load_resource_provider)
    patches.replace(ResourceProviderExecutor, "execute_action", execute_action)
    patches.wrap(ResourceProviderExecutor, "extract_physical_resource_id_from_model_with_schema", physical_id)


def _failed(request: ResourceRequest[Properties], message: str) -> ProgressEvent[Properties]:
    return ProgressEvent(
        status=OperationStatus.FAILED,
        resource_model=_former(request),
        message=message,
    )


def _former(request: ResourceRequest[Properties]) -> Properties:
    """The resource as it is; as it was wanted, when it is to be deleted or was not made."""
    return dict(request.previous_state or request.desired_state)
