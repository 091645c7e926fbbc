"""Which operations of a service are kept; every other one of it is refused.

A kept operation makes, reads, lists, tags, changes or deletes a resource, so that a template that has some
applies and its second plan is empty. An operation that would have to *do* something is none of these: to hand
out credentials, to take an image, to run a task, to look into a bill.
"""

from __future__ import annotations

from collections.abc import Mapping

from millpond.planes.common.operations import Operations

_TAGS = ("TagResource", "UntagResource", "ListTagsForResource")

KEPT: Mapping[str, Operations] = {
    operations.service: operations
    for operations in (
        Operations(
            "backup",
            own=(),
            kept=(
                "CreateBackupPlan",
                "CreateBackupVault",
                "DeleteBackupPlan",
                "GetBackupPlan",
                "ListBackupPlans",
                "ListBackupVaults",
                "ListTags",
                "TagResource",
                "UntagResource",
            ),
        ),
        Operations(
            "budgets",
            own=(
                "CreateBudget",
                "CreateNotification",
                "CreateSubscriber",
                "DeleteBudget",
                "DeleteNotification",
                "DeleteSubscriber",
                "DescribeBudget",
                "DescribeBudgets",
                "DescribeNotificationsForBudget",
                "DescribeSubscribersForNotification",
                "UpdateBudget",
                "UpdateNotification",
                "UpdateSubscriber",
                *_TAGS,
            ),
        ),
        Operations(
            "cloudtrail",
            own=(),
            kept=(
                "AddTags",
                "CreateTrail",
                "DeleteTrail",
                "DescribeTrails",
                "GetEventSelectors",
                "GetInsightSelectors",
                "GetTrail",
                "GetTrailStatus",
                "ListTags",
                "ListTrails",
                "PutEventSelectors",
                "PutInsightSelectors",
                "RemoveTags",
                "StartLogging",
                "StopLogging",
                "UpdateTrail",
            ),
        ),
        Operations(
            "codepipeline",
            own=(),
            kept=(
                "CreatePipeline",
                "DeletePipeline",
                "GetPipeline",
                "ListPipelines",
                "UpdatePipeline",
                *_TAGS,
            ),
        ),
        Operations(
            "ecr",
            own=(),
            kept=(
                "BatchGetRepositoryScanningConfiguration",
                "CreateRepository",
                "DeleteLifecyclePolicy",
                "DeleteRegistryPolicy",
                "DeleteRepository",
                "DeleteRepositoryPolicy",
                "DescribeImages",
                "DescribeRegistry",
                "DescribeRepositories",
                "GetLifecyclePolicy",
                "GetRegistryPolicy",
                "GetRegistryScanningConfiguration",
                "GetRepositoryPolicy",
                "ListImages",
                "PutImageScanningConfiguration",
                "PutImageTagMutability",
                "PutLifecyclePolicy",
                "PutRegistryPolicy",
                "PutRegistryScanningConfiguration",
                "PutReplicationConfiguration",
                "SetRepositoryPolicy",
                *_TAGS,
            ),
        ),
        Operations(
            "ecs",
            own=(),
            kept=(
                "CreateCapacityProvider",
                "CreateCluster",
                "DeleteCapacityProvider",
                "DeleteCluster",
                "DeleteTaskDefinitions",
                "DeregisterTaskDefinition",
                "DescribeCapacityProviders",
                "DescribeClusters",
                "DescribeTaskDefinition",
                "ListClusters",
                "ListServices",
                "ListTaskDefinitionFamilies",
                "ListTaskDefinitions",
                "ListTasks",
                "PutClusterCapacityProviders",
                "RegisterTaskDefinition",
                "UpdateCapacityProvider",
                "UpdateCluster",
                *_TAGS,
            ),
        ),
        Operations(
            "lakeformation",
            own=(),
            kept=(
                "AddLFTagsToResource",
                "BatchGrantPermissions",
                "BatchRevokePermissions",
                "CreateLFTag",
                "DeleteLFTag",
                "DeregisterResource",
                "DescribeResource",
                "GetDataLakeSettings",
                "GetLFTag",
                "GetResourceLFTags",
                "GrantPermissions",
                "ListDataCellsFilter",
                "ListLFTags",
                "ListPermissions",
                "ListResources",
                "PutDataLakeSettings",
                "RegisterResource",
                "RemoveLFTagsFromResource",
                "RevokePermissions",
                "UpdateLFTag",
            ),
        ),
    )
}
