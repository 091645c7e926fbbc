"""Resource policies and encryption settings of the catalog: kept, and nothing is decided by them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.exceptions import (
    ConditionCheckFailureException,
    EntityNotFoundException,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, now, required

_OPEN = {
    "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
    "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
}


class CatalogSettings:
    """Operations of policies and encryption settings.

    Parameters
    ----------
    catalog : Catalog
        Whose.
    """

    POLICIES = ("DeleteResourcePolicy", "GetResourcePolicies", "GetResourcePolicy", "PutResourcePolicy")
    ENCRYPTION = ("GetDataCatalogEncryptionSettings", "PutDataCatalogEncryptionSettings")
    OPERATIONS = (*POLICIES, *ENCRYPTION)

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def put_resource_policy(self, request: Request) -> Shape:
        text, arn = required(request, "PolicyInJson"), self._arn(request)
        try:
            json.loads(text)
        except ValueError as error:
            raise InvalidInputException(f"The policy is not JSON: {error}") from error
        with self._catalog.lock:
            old = self._catalog.state.policies.get(arn)
            condition = request.get("PolicyExistsCondition")
            if condition == "MUST_EXIST" and old is None:
                raise EntityNotFoundException("Policy not found")
            if condition == "NOT_EXIST" and old is not None:
                raise ConditionCheckFailureException("The policy exists")
            _check_hash(old, request.get("PolicyHashCondition"))
            made = now()
            self._catalog.state.policies[arn] = {
                "PolicyInJson": text,
                "PolicyHash": hashlib.sha256(text.encode()).hexdigest(),
                "CreateTime": old["CreateTime"] if old else made,
                "UpdateTime": made,
            }
            return {"PolicyHash": self._catalog.state.policies[arn]["PolicyHash"]}

    def get_resource_policy(self, request: Request) -> Shape:
        with self._catalog.lock:
            return dict(self._policy(request))

    def get_resource_policies(self, request: Request) -> Shape:
        with self._catalog.lock:
            policies = list(self._catalog.state.policies.values())
        some, token = page(policies, request)
        return {"GetResourcePoliciesResponseList": some, **token}

    def delete_resource_policy(self, request: Request) -> Shape:
        with self._catalog.lock:
            _check_hash(self._policy(request), request.get("PolicyHashCondition"))
            del self._catalog.state.policies[self._arn(request)]
        return {}

    def get_data_catalog_encryption_settings(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        with self._catalog.lock:
            return {"DataCatalogEncryptionSettings": {**_OPEN, **self._catalog.state.encryption}}

    def put_data_catalog_encryption_settings(self, request: Request) -> Shape:
        self._catalog.check_id(request)
        with self._catalog.lock:
            self._catalog.state.encryption = dict(required(request, "DataCatalogEncryptionSettings"))
        return {}

    def _arn(self, request: Request) -> str:
        return str(request.get("ResourceArn") or self._catalog.context.arn("glue", "catalog"))

    def _policy(self, request: Request) -> Shape:
        policy = self._catalog.state.policies.get(self._arn(request))
        if policy is None:
            raise EntityNotFoundException("Policy not found")
        return policy


def _check_hash(policy: Any, wanted: str | None) -> None:
    if wanted and (policy is None or policy["PolicyHash"] != wanted):
        raise ConditionCheckFailureException("The hash of the policy is another")
