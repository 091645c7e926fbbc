"""The keys of log groups, which moto keeps when a group is made and cannot change.

Source: ``AssociateKmsKey`` and ``DisassociateKmsKey`` in the CloudWatch Logs API Reference.
"""

from __future__ import annotations

from typing import Any

from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.responses import LogsResponse

from millpond.localstack_ext.engine import patches


def install_log_keys() -> None:
    """Let moto change the key of a log group."""
    patches.add(LogsResponse, "associate_kms_key", _associate)
    patches.add(LogsResponse, "disassociate_kms_key", _disassociate)


def _associate(response: Any) -> str:
    _group(response).kms_key_id = response._get_param("kmsKeyId")
    return ""


def _disassociate(response: Any) -> str:
    _group(response).kms_key_id = None
    return ""


def _group(response: Any) -> Any:
    name = response._get_param("logGroupName") or ""
    group = response.logs_backend.groups.get(name)
    if group is None:
        raise ResourceNotFoundException()
    return group
