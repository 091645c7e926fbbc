"""How a resource is imported: by which identifier, and what of it the provider does not read.

Source: the section "Import" of each resource in the documentation of Terraform's AWS provider, and the
attributes that the provider's own acceptance tests leave out when they verify an import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Attributes whose values, joined, are the identifier; a text is put in between as it is.
OTHERS: Mapping[str, tuple[str, ...]] = {
    "aws_cloudwatch_event_target": ("event_bus_name", "/", "rule", "/", "target_id"),
    "aws_cloudwatch_log_data_protection_policy": ("log_group_name",),
    "aws_cloudwatch_log_metric_filter": ("log_group_name", ":", "name"),
    "aws_cloudwatch_log_stream": ("log_group_name", ":", "name"),
    "aws_cloudwatch_log_subscription_filter": ("log_group_name", "|", "name"),
    "aws_cloudwatch_query_definition": ("arn",),
    "aws_codebuild_resource_policy": ("resource_arn",),
    "aws_default_route_table": ("vpc_id",),
    "aws_ec2_tag": ("resource_id", ",", "key"),
    "aws_glue_catalog_table_optimizer": ("catalog_id", ",", "database_name", ",", "table_name", ",", "type"),
    "aws_iam_group_policy_attachment": ("group", "/", "policy_arn"),
    "aws_iam_role_policies_exclusive": ("role_name",),
    "aws_iam_role_policy_attachment": ("role", "/", "policy_arn"),
    "aws_iam_role_policy_attachments_exclusive": ("role_name",),
    "aws_iam_user_policy_attachment": ("user", "/", "policy_arn"),
    "aws_iam_user_group_membership": ("user", "/", "groups"),
    "aws_kinesis_firehose_delivery_stream": ("arn",),
    "aws_kinesis_stream": ("name",),
    "aws_lambda_alias": ("function_name", "/", "name"),
    "aws_lambda_function_recursion_config": ("function_name",),
    "aws_lambda_permission": ("function_name", "/", "statement_id"),
    "aws_lambda_runtime_management_config": ("function_name", ","),
    "aws_network_acl_rule": (
        "network_acl_id", ":", "rule_number", ":", "protocol", ":", "egress",
    ),
    "aws_route": ("route_table_id", "_", "destination_cidr_block"),
    "aws_route_table_association": ("subnet_id", "/", "route_table_id"),
    "aws_s3_object": ("bucket", "/", "key"),
    "aws_security_group_rule": (
        "security_group_id", "_", "type", "_", "protocol", "_", "from_port", "_", "to_port", "_",
        "source_security_group_id",
    ),
    "aws_vpc_dhcp_options_association": ("vpc_id",),
    "aws_vpc_endpoint_route_table_association": ("vpc_endpoint_id", "/", "route_table_id"),
}  # fmt: skip

NOT_IMPORTED = frozenset(
    {
        "aws_athena_database",
        "aws_athena_named_query",
        "aws_dynamodb_table_item",
        "aws_iam_access_key",
        "aws_iam_group_membership",
        "aws_iam_policy_attachment",
        "aws_iam_user_login_profile",
        "aws_lakeformation_data_lake_settings",
        "aws_lakeformation_opt_in",
        "aws_lakeformation_permissions",
        "aws_lakeformation_resource",
        "aws_lakeformation_resource_lf_tag",
        "aws_lakeformation_resource_lf_tags",
        "aws_lambda_invocation",
        "aws_main_route_table_association",
        "aws_s3_bucket_object",
        "aws_s3_object_copy",
    }
)
"""Types whose documentation has no import, or whose import the provider's own tests leave out."""

NOT_READ: Mapping[str, tuple[str, ...]] = {
    "aws_athena_workgroup": ("force_destroy",),
    "aws_cloudwatch_event_bus": ("force_destroy",),
    "aws_cloudwatch_event_connection": ("auth_parameters",),
    "aws_cloudwatch_event_rule": ("force_destroy",),
    "aws_cloudwatch_event_target": ("force_destroy",),
    "aws_cloudwatch_log_group": ("skip_destroy",),
    "aws_codebuild_report_group": ("delete_reports",),
    "aws_codebuild_source_credential": ("token",),
    "aws_default_security_group": ("revoke_rules_on_delete",),
    # A parameter of PutResourcePolicy alone.
    "aws_dynamodb_resource_policy": ("confirm_remove_self_resource_access",),
    "aws_glue_catalog_table": ("open_table_format_input",),
    "aws_glue_connection": ("connection_properties",),
    "aws_glue_resource_policy": ("enable_hybrid",),
    "aws_glue_trigger": ("start_on_creation", "enabled"),
    "aws_iam_user": ("force_destroy",),
    "aws_key_pair": ("public_key",),
    "aws_kinesis_stream": ("enforce_consumer_deletion",),
    "aws_kms_key": ("deletion_window_in_days", "bypass_policy_lockout_safety_check"),
    "aws_kms_key_policy": ("bypass_policy_lockout_safety_check",),
    "aws_lambda_function": (
        "filename",
        "publish",
        "replace_security_groups_on_destroy",
        "skip_destroy",
        "source_code_hash",
    ),
    "aws_lambda_layer_version": ("filename", "skip_destroy"),
    "aws_lambda_layer_version_permission": ("skip_destroy",),
    "aws_lambda_provisioned_concurrency_config": ("skip_destroy",),
    "aws_s3_bucket": ("force_destroy",),
    "aws_s3_bucket_acl": ("acl",),
    "aws_s3_object": ("content", "force_destroy", "acl"),
    "aws_secretsmanager_secret": ("recovery_window_in_days", "force_overwrite_replica_secret"),
    "aws_secretsmanager_secret_policy": ("block_public_policy",),
    "aws_secretsmanager_secret_rotation": ("rotate_immediately",),
    "aws_security_group": ("revoke_rules_on_delete",),
    "aws_sfn_state_machine": ("publish",),
    "aws_sns_topic_subscription": ("confirmation_timeout_in_minutes", "endpoint_auto_confirms"),
    "aws_ssm_parameter": ("overwrite", "value", "has_value_wo", "insecure_value"),
    "aws_vpc_peering_connection": ("auto_accept",),
}


def identifier(kind: str, values: Mapping[str, Any]) -> str | None:
    """What a resource is imported by, None if its type is not imported."""
    if kind in NOT_IMPORTED:
        return None
    if kind not in OTHERS:
        return str(values.get("id") or values.get("arn") or values.get("name"))
    return "".join(_text(values[part]) if part in values else part for part in OTHERS[kind])


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "/".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
