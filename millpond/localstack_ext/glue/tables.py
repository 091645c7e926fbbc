"""Optimistic locking of the catalog's tables: ``UpdateTable`` with a ``VersionId``, which moto ignores.

Iceberg's commits depend on it: of two that started from the same version, one must fail.
"""

from __future__ import annotations

from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext


def refuse_stale_update(context: RequestContext, request: Any) -> None:
    """Refuse to update a table that has another version by now.

    The request's ``VersionId`` is "the version ID at which to update the table contents" (API reference,
    UpdateTable). moto answers for a table that does not exist.
    """
    if context.operation is None or context.operation.name != "UpdateTable" or "VersionId" not in request:
        return
    from moto.glue.exceptions import EntityNotFoundException
    from moto.glue.models import glue_backends

    backend = glue_backends[context.account_id][context.region]
    try:
        table = backend.get_table(request["DatabaseName"], request["TableInput"]["Name"])
    except EntityNotFoundException:
        return
    if table.as_dict()["VersionId"] != request["VersionId"]:
        raise CommonServiceException(
            "ConcurrentModificationException", "Update table failed due to concurrent modifications."
        )
