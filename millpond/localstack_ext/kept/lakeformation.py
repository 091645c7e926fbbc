"""Grants of Lake Formation, which moto loses when they are of columns, and cannot revoke when they grew.

Source: ``ListPermissions`` and ``RevokePermissions`` in the Lake Formation API Reference. For a table AWS
lists what is granted on its columns, too; who revokes what is not granted is told so. Terraform's provider
goes by both.
"""

from __future__ import annotations

from typing import Any

from moto.lakeformation.exceptions import InvalidInput
from moto.lakeformation.models import LakeFormationBackend, Permission

from millpond.localstack_ext.engine import patches


def install_grants() -> None:
    """Let moto list and revoke grants by the functions of this module."""
    patches.wrap(LakeFormationBackend, "list_permissions", _with_columns)
    patches.wrap(LakeFormationBackend, "revoke_permissions", _revoke)
    # Adding permissions to a grant changes its hash, by which a set would not find it again.
    patches.replace(Permission, "__hash__", _same_for_all)


def _same_for_all(_grant: Any) -> int:
    return 0


def _revoke(
    theirs: Any,
    backend: Any,
    catalog_id: str,
    principal: dict[str, str],
    resource: dict[str, Any],
    *revoked: list[str] | None,
    **named: list[str] | None,
) -> None:
    asked = {name for names in (*revoked, *named.values()) for name in names or []}
    catalog = backend.grants.get(catalog_id)
    granted = {
        name
        for grant in (catalog.permissions if catalog else ())
        if grant.principal == principal and grant.resource == resource
        for name in (*grant.permissions, *grant.permissions_with_grant_options)
    }
    if asked and not asked & granted:
        raise InvalidInput(f"No permissions revoked. Grantee does not have: {', '.join(sorted(asked))}")
    theirs(backend, catalog_id, principal, resource, *revoked, **named)


def _with_columns(
    theirs: Any,
    backend: Any,
    catalog_id: str,
    principal: dict[str, str] | None = None,
    resource: Any = None,
    resource_type: Any = None,
) -> list[dict[str, Any]]:
    permissions: list[dict[str, Any]] = theirs(backend, catalog_id, principal, resource, resource_type)
    table = resource.table if resource is not None else None
    if table is None or catalog_id not in backend.grants:
        return permissions
    of_columns = [
        grant.to_external_form()
        for grant in backend.grants[catalog_id].permissions
        if (columns := grant.resource.get("TableWithColumns")) is not None
        and columns["DatabaseName"] == table.database_name
        and columns["Name"] == table.name
        and principal in (None, grant.principal)
    ]
    return [*permissions, *(permission for permission in of_columns if permission not in permissions)]
