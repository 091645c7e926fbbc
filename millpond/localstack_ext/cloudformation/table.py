"""The table of resource types: a row is all that a type needs.

A row says which operations make, change, read and delete a resource, how its properties become their
arguments where the names differ, which properties identify it, and what its attributes are. All the rest
(which properties there are, which ones replace the resource, which are required or read-only) is in the
schema of the type.
Names that differ in the case of their letters alone, numbers and booleans as text, documents as JSON text and
tags as a mapping or list need no word.

Source: the types in the CloudFormation Template Reference ("Return values" for ``Ref`` and ``Fn::GetAtt``),
and the operations in the API references of the services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from millpond.localstack_ext.cloudformation.resources import ip_permission
from millpond.localstack_ext.cloudformation.rows import Always, Call, Properties, Refusal, Row

REST = ...


def _database_input(model: Properties) -> Properties:
    return {**model["DatabaseInput"], "Name": model["DatabaseName"]}


def _connection_input(model: Properties) -> Properties:
    """A connection, whose properties the API requires and a template does not."""
    return {"ConnectionProperties": {}, **model["ConnectionInput"]}


def _encryption(model: Properties) -> Properties:
    """The encryption of Glue's API, where what S3 has is a list with a name in the singular."""
    configuration = dict(model["EncryptionConfiguration"])
    if (on_s3 := configuration.pop("S3Encryptions", None)) is not None:
        configuration["S3Encryption"] = on_s3 if isinstance(on_s3, list) else [on_s3]
    return configuration


def _work_group_updates(model: Properties) -> Properties:
    """A workgroup's configuration as changes: what is not given is removed."""
    configuration = dict(model.get("WorkGroupConfiguration") or {})
    results = dict(configuration.pop("ResultConfiguration", None) or {})
    members = ("OutputLocation", "EncryptionConfiguration", "ExpectedBucketOwner", "AclConfiguration")
    updates = {**results, **{f"Remove{name}": True for name in members if name not in results}}
    managed = configuration.pop("ManagedQueryResultsConfiguration", None)
    cutoff = (
        {} if "BytesScannedCutoffPerQuery" in configuration else {"RemoveBytesScannedCutoffPerQuery": True}
    )
    defaults = {
        "EnforceWorkGroupConfiguration": True,
        "PublishCloudWatchMetricsEnabled": True,
        "RequesterPaysEnabled": False,
    }
    return {
        **defaults,
        **configuration,
        **cutoff,
        "ResultConfigurationUpdates": updates,
        **({"ManagedQueryResultsConfigurationUpdates": managed} if managed else {}),
    }


def _definition(clients: Any, model: Properties) -> Properties:
    """The definition of a state machine, from the template or S3, with what is to be put into it."""
    if (place := model.get("DefinitionS3Location")) is not None:
        version = {"VersionId": place["Version"]} if "Version" in place else {}
        content = clients.s3.get_object(Bucket=place["Bucket"], Key=place["Key"], **version)["Body"].read()
        text = (
            json.dumps(yaml.safe_load(content))
            if place["Key"].endswith((".yaml", ".yml"))
            else content.decode()
        )
    elif "DefinitionString" in model:
        text = str(model["DefinitionString"])
    elif "Definition" in model:
        text = json.dumps(model["Definition"])
    else:
        raise Refusal("A definition is required: Definition, DefinitionString or DefinitionS3Location")
    for name, value in (model.get("DefinitionSubstitutions") or {}).items():
        text = text.replace(f"${{{name}}}", str(value).lower() if isinstance(value, bool) else str(value))
    if left := sorted(set(re.findall(r"\$\{(\w+)\}", text))) if "DefinitionSubstitutions" in model else []:
        raise Refusal(f"DefinitionSubstitutions has no value for {', '.join(left)}")
    return {"definition": text}


def _routing(model: Properties) -> list[Properties]:
    """Where an alias of a state machine leads; a change that is spread over time is not made here."""
    preference = model.get("DeploymentPreference")
    if not preference:
        return list(model["RoutingConfiguration"])
    if preference.get("Type") != "ALL_AT_ONCE":
        raise Refusal(
            f"DeploymentPreference of type {preference.get('Type')} is not made here: use ALL_AT_ONCE"
        )
    return [{"StateMachineVersionArn": preference["StateMachineVersionArn"], "Weight": 100}]


def _weights(model: Properties) -> Properties:
    """The versions beside that of a function's alias; none, if none is given."""
    config = model.get("RoutingConfig") or {}
    weights = config.get("AdditionalVersionWeights") or []
    return {
        "AdditionalVersionWeights": {
            weight["FunctionVersion"]: weight["FunctionWeight"] for weight in weights
        }
    }


def _permission(model: Properties) -> list[Properties]:
    """A rule of a security group that is a resource of its own."""
    place = ("GroupId", "GroupName", "Id", "account", "region", "partition", "PhysicalResourceId")
    return [ip_permission({name: value for name, value in model.items() if name not in place})]


def _keys(model: Properties) -> list[Properties]:
    return [{"Key": key} for key in model["Removed"]]


def _glue(kind: str) -> str:
    return f"arn:{{partition}}:glue:{{region}}:{{account}}:{kind}/{{Name}}"


_EC2_TAG = Call("CreateTags", {"Resources": ["TaggedArn"], "Tags": "Added"})
_EC2_UNTAG = Call("DeleteTags", {"Resources": ["TaggedArn"], "Tags": _keys})
_SCHEMA_ID = {"SchemaArn": "Arn"}
_CHECKPOINT = {
    "LatestVersion": "CheckpointVersion.IsLatest",
    "VersionNumber": "CheckpointVersion.VersionNumber",
}
_WORK_GROUP_CHANGE = {"WorkGroup": "Name", "ConfigurationUpdates": _work_group_updates}
_CATALOG_IS_OPEN = Always(
    {
        "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
    }
)

GLUE: Mapping[str, Row] = {
    "AWS::Glue::Classifier": Row(
        "glue",
        ref=("Name",),
        create=Call("CreateClassifier"),
        update=(Call("UpdateClassifier", whole=True),),
        delete=Call("DeleteClassifier", {"Name": "Name"}),
        attributes={
            "Name": "{CsvClassifier.Name}{GrokClassifier.Name}{JsonClassifier.Name}{XMLClassifier.Name}",
        },
    ),
    "AWS::Glue::Connection": Row(
        "glue",
        name=("ConnectionInput.Name",),
        ref=("ConnectionInput.Name",),
        create=Call("CreateConnection", {"ConnectionInput": _connection_input}),
        read=Call("GetConnection", {"Name": "ConnectionInput.Name"}),
        described_at="Connection",
        shown={"ConnectionInput": ""},
        update=(
            Call(
                "UpdateConnection",
                {"Name": "ConnectionInput.Name", "ConnectionInput": _connection_input},
                whole=True,
            ),
        ),
        delete=Call("DeleteConnection", {"ConnectionName": "ConnectionInput.Name"}),
        attributes={"Name": "{ConnectionInput.Name}"},
        arn=_glue("connection"),
    ),
    "AWS::Glue::Crawler": Row(
        "glue",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateCrawler", {"Schedule": "Schedule.ScheduleExpression"}),
        read=Call("GetCrawler"),
        described_at="Crawler",
        update=(Call("UpdateCrawler", {"Schedule": "Schedule.ScheduleExpression"}),),
        unset={
            "Classifiers": [],
            "Configuration": "",
            "CrawlerSecurityConfiguration": "",
            "Description": "",
            "Schedule": {"ScheduleExpression": ""},
            "TablePrefix": "",
        },
        delete=Call("DeleteCrawler"),
        arn=_glue("crawler"),
    ),
    "AWS::Glue::Database": Row(
        "glue",
        name=("DatabaseName", "DatabaseInput.Name"),
        plain=True,
        ref=("DatabaseName",),
        create=Call("CreateDatabase", {"DatabaseInput": _database_input}),
        read=Call("GetDatabase", {"Name": "DatabaseName"}),
        described_at="Database",
        shown={"DatabaseInput": ""},
        update=(
            Call("UpdateDatabase", {"Name": "DatabaseName", "DatabaseInput": _database_input}, whole=True),
        ),
        delete=Call("DeleteDatabase", {"Name": "DatabaseName"}),
        replaces=("/properties/DatabaseInput/Name",),
    ),
    "AWS::Glue::DataCatalogEncryptionSettings": Row(
        "glue",
        ref=("CatalogId",),
        create=Call("PutDataCatalogEncryptionSettings"),
        read=Call("GetDataCatalogEncryptionSettings"),
        update=(Call("PutDataCatalogEncryptionSettings", whole=True),),
        delete=Call("PutDataCatalogEncryptionSettings", {"DataCatalogEncryptionSettings": _CATALOG_IS_OPEN}),
    ),
    "AWS::Glue::DataQualityRuleset": Row(
        "glue",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateDataQualityRuleset"),
        read=Call("GetDataQualityRuleset"),
        update=(Call("UpdateDataQualityRuleset", whole=True),),
        delete=Call("DeleteDataQualityRuleset"),
        arn=_glue("dataQualityRuleset"),
    ),
    "AWS::Glue::Job": Row(
        "glue",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateJob"),
        read=Call("GetJob", {"JobName": "Name"}),
        described_at="Job",
        update=(Call("UpdateJob", {"JobName": "Name", "JobUpdate": REST}, whole=True),),
        delete=Call("DeleteJob", {"JobName": "Name"}),
        arn=_glue("job"),
    ),
    "AWS::Glue::Partition": Row(
        "glue",
        ref=("DatabaseName", "TableName", "PartitionInput.Values"),
        create=Call("CreatePartition"),
        read=Call("GetPartition", {"PartitionValues": "PartitionInput.Values"}),
        described_at="Partition",
        shown={"PartitionInput": ""},
        update=(Call("UpdatePartition", {"PartitionValueList": "PartitionInput.Values"}, whole=True),),
        delete=Call("DeletePartition", {"PartitionValues": "PartitionInput.Values"}),
    ),
    "AWS::Glue::Registry": Row(
        "glue",
        ref=("Arn",),
        create=Call("CreateRegistry", {"RegistryName": "Name"}),
        read=Call("GetRegistry", {"RegistryId": {"RegistryName": "Name"}}),
        update=(Call("UpdateRegistry", {"RegistryId": {"RegistryName": "Name"}}),),
        unset={"Description": ""},
        delete=Call("DeleteRegistry", {"RegistryId": {"RegistryName": "Name"}}),
        attributes={"Arn": "RegistryArn"},
        shown={"Name": "RegistryName"},
    ),
    "AWS::Glue::Schema": Row(
        "glue",
        ref=("Arn",),
        create=Call(
            "CreateSchema",
            {
                "RegistryId": {"RegistryName": "Registry.Name", "RegistryArn": "Registry.Arn"},
                "SchemaName": "Name",
            },
        ),
        then=(
            Call(
                "UpdateSchema",
                {"SchemaId": _SCHEMA_ID, "SchemaVersionNumber": _CHECKPOINT},
                frozenset({"CheckpointVersion"}),
            ),
        ),
        read=Call("GetSchema", {"SchemaId": _SCHEMA_ID}),
        update=(Call("UpdateSchema", {"SchemaId": _SCHEMA_ID, "SchemaVersionNumber": _CHECKPOINT}),),
        unset={"Description": ""},
        delete=Call("DeleteSchema", {"SchemaId": _SCHEMA_ID}),
        attributes={"Arn": "SchemaArn", "InitialSchemaVersionId": "SchemaVersionId"},
        shown={"Name": "SchemaName"},
        untold=("CheckpointVersion", "Registry"),
    ),
    "AWS::Glue::SchemaVersion": Row(
        "glue",
        ref=("VersionId",),
        create=Call("RegisterSchemaVersion", {"SchemaId": "Schema"}),
        delete=Call("DeleteSchemaVersions", {"SchemaId": "Schema", "Versions": "VersionNumber"}),
        attributes={"VersionId": "SchemaVersionId", "VersionNumber": "VersionNumber"},
    ),
    "AWS::Glue::SchemaVersionMetadata": Row(
        "glue",
        ref=("SchemaVersionId", "Key", "Value"),
        create=Call(
            "PutSchemaVersionMetadata", {"MetadataKeyValue": {"MetadataKey": "Key", "MetadataValue": "Value"}}
        ),
        delete=Call(
            "RemoveSchemaVersionMetadata",
            {"MetadataKeyValue": {"MetadataKey": "Key", "MetadataValue": "Value"}},
        ),
    ),
    "AWS::Glue::SecurityConfiguration": Row(
        "glue",
        ref=("Name",),
        create=Call("CreateSecurityConfiguration", {"EncryptionConfiguration": _encryption}),
        delete=Call("DeleteSecurityConfiguration"),
        replaces=("/properties/EncryptionConfiguration",),
    ),
    "AWS::Glue::Table": Row(
        "glue",
        name=("TableInput.Name", "Name"),
        plain=True,
        ref=("TableInput.Name",),
        create=Call("CreateTable"),
        read=Call("GetTable", {"Name": "TableInput.Name"}),
        described_at="Table",
        shown={"TableInput": ""},
        update=(Call("UpdateTable", {"Name": "TableInput.Name"}, whole=True),),
        delete=Call("DeleteTable", {"Name": "TableInput.Name"}),
    ),
    "AWS::Glue::TableOptimizer": Row(
        "glue",
        ref=("CatalogId", "DatabaseName", "TableName", "Type"),
        create=Call("CreateTableOptimizer"),
        read=Call("GetTableOptimizer"),
        described_at="TableOptimizer",
        update=(Call("UpdateTableOptimizer", whole=True),),
        delete=Call("DeleteTableOptimizer"),
        shown={"TableOptimizerConfiguration": "configuration"},
    ),
    "AWS::Glue::Trigger": Row(
        "glue",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateTrigger"),
        read=Call("GetTrigger"),
        described_at="Trigger",
        update=(Call("UpdateTrigger", {"Name": "Name", "TriggerUpdate": REST}, whole=True),),
        delete=Call("DeleteTrigger"),
        arn=_glue("trigger"),
    ),
    "AWS::Glue::UsageProfile": Row(
        "glue",
        ref=("Name",),
        create=Call("CreateUsageProfile"),
        read=Call("GetUsageProfile"),
        update=(Call("UpdateUsageProfile", whole=True),),
        delete=Call("DeleteUsageProfile"),
        arn=_glue("usageProfile"),
    ),
    "AWS::Glue::Workflow": Row(
        "glue",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateWorkflow"),
        read=Call("GetWorkflow"),
        described_at="Workflow",
        update=(Call("UpdateWorkflow", whole=True),),
        delete=Call("DeleteWorkflow"),
        arn=_glue("workflow"),
    ),
}

ATHENA: Mapping[str, Row] = {
    "AWS::Athena::CapacityReservation": Row(
        "athena",
        ref=("Arn",),
        create=Call("CreateCapacityReservation"),
        read=Call("GetCapacityReservation"),
        described_at="CapacityReservation",
        update=(Call("UpdateCapacityReservation"),),
        delete=Call("DeleteCapacityReservation"),
        attributes={"Arn": "arn:{partition}:athena:{region}:{account}:capacity-reservation/{Name}"},
    ),
    "AWS::Athena::DataCatalog": Row(
        "athena",
        ref=("Name",),
        create=Call("CreateDataCatalog"),
        read=Call("GetDataCatalog"),
        described_at="DataCatalog",
        update=(Call("UpdateDataCatalog", whole=True),),
        delete=Call("DeleteDataCatalog"),
        arn="arn:{partition}:athena:{region}:{account}:datacatalog/{Name}",
    ),
    "AWS::Athena::NamedQuery": Row(
        "athena",
        name=("Name",),
        ref=("NamedQueryId",),
        create=Call("CreateNamedQuery"),
        read=Call("GetNamedQuery"),
        described_at="NamedQuery",
        delete=Call("DeleteNamedQuery"),
    ),
    "AWS::Athena::PreparedStatement": Row(
        "athena",
        ref=("StatementName", "WorkGroup"),
        create=Call("CreatePreparedStatement"),
        read=Call("GetPreparedStatement"),
        described_at="PreparedStatement",
        shown={"WorkGroup": "WorkGroupName"},
        update=(Call("UpdatePreparedStatement", whole=True),),
        delete=Call("DeletePreparedStatement"),
    ),
    "AWS::Athena::WorkGroup": Row(
        "athena",
        ref=("Name",),
        create=Call("CreateWorkGroup", {"Configuration": "WorkGroupConfiguration"}),
        then=(Call("UpdateWorkGroup", {"WorkGroup": "Name", "State": "State"}, frozenset({"State"})),),
        read=Call("GetWorkGroup", {"WorkGroup": "Name"}),
        described_at="WorkGroup",
        shown={"WorkGroupConfiguration": "Configuration"},
        update=(Call("UpdateWorkGroup", _WORK_GROUP_CHANGE, whole=True),),
        unset={"Description": "", "State": "ENABLED"},
        delete=Call("DeleteWorkGroup", {"WorkGroup": "Name"}),
        arn="arn:{partition}:athena:{region}:{account}:workgroup/{Name}",
    ),
}

EVENTS: Mapping[str, Row] = {
    "AWS::Events::ApiDestination": Row(
        "events",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateApiDestination"),
        read=Call("DescribeApiDestination"),
        update=(Call("UpdateApiDestination"),),
        unset={"Description": ""},
        delete=Call("DeleteApiDestination"),
        attributes={"Arn": "ApiDestinationArn", "ArnForPolicy": "ApiDestinationArn"},
    ),
    "AWS::Events::Archive": Row(
        "events",
        name=("ArchiveName",),
        ref=("ArchiveName",),
        create=Call("CreateArchive", {"EventSourceArn": "SourceArn"}),
        read=Call("DescribeArchive"),
        shown={"SourceArn": "EventSourceArn"},
        update=(Call("UpdateArchive"),),
        unset={"Description": "", "RetentionDays": 0},
        delete=Call("DeleteArchive"),
        attributes={"Arn": "ArchiveArn"},
    ),
    "AWS::Events::Connection": Row(
        "events",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateConnection"),
        read=Call("DescribeConnection"),
        update=(Call("UpdateConnection"),),
        unset={"Description": ""},
        delete=Call("DeleteConnection"),
        attributes={"Arn": "ConnectionArn", "ArnForPolicy": "ConnectionArn"},
    ),
    "AWS::Pipes::Pipe": Row(
        "pipes",
        name=("Name",),
        ref=("Name",),
        create=Call("CreatePipe"),
        read=Call("DescribePipe"),
        update=(Call("UpdatePipe"),),
        unset={"Description": ""},
        delete=Call("DeletePipe"),
        attributes={"Arn": "Arn"},
    ),
    "AWS::Events::EventBus": Row(
        "events",
        ref=("Name",),
        create=Call("CreateEventBus"),
        read=Call("DescribeEventBus"),
        then=(Call("PutPermission", {"EventBusName": "Name", "Policy": "Policy"}, frozenset({"Policy"})),),
        update=(
            Call("UpdateEventBus", when=frozenset({"Description", "KmsKeyIdentifier", "DeadLetterConfig"})),
            Call("PutPermission", {"EventBusName": "Name", "Policy": "Policy"}, frozenset({"Policy"})),
        ),
        unset={"Description": ""},
        delete=Call("DeleteEventBus"),
        attributes={"Arn": "arn:{partition}:events:{region}:{account}:event-bus/{Name}"},
    ),
    "AWS::Scheduler::Schedule": Row(
        "scheduler",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateSchedule"),
        read=Call("GetSchedule"),
        update=(Call("UpdateSchedule", whole=True),),
        delete=Call("DeleteSchedule"),
        attributes={"Arn": "Arn"},
    ),
    "AWS::Scheduler::ScheduleGroup": Row(
        "scheduler",
        name=("Name",),
        ref=("Name",),
        create=Call("CreateScheduleGroup"),
        read=Call("GetScheduleGroup"),
        delete=Call("DeleteScheduleGroup"),
    ),
}

STEP_FUNCTIONS: Mapping[str, Row] = {
    "AWS::StepFunctions::Activity": Row(
        "stepfunctions",
        ref=("Arn",),
        create=Call("CreateActivity"),
        read=Call("DescribeActivity", {"activityArn": "Arn"}),
        delete=Call("DeleteActivity", {"activityArn": "Arn"}),
        attributes={"Arn": "activityArn"},
    ),
    "AWS::StepFunctions::StateMachine": Row(
        "stepfunctions",
        name=("StateMachineName",),
        ref=("Arn",),
        create=Call("CreateStateMachine", {"name": "StateMachineName", "type": "StateMachineType"}),
        read=Call("DescribeStateMachine", {"stateMachineArn": "Arn"}),
        update=(Call("UpdateStateMachine", {"stateMachineArn": "Arn"}),),
        unset={
            "LoggingConfiguration": {"Level": "OFF"},
            "TracingConfiguration": {"Enabled": False},
        },
        delete=Call("DeleteStateMachine", {"stateMachineArn": "Arn"}),
        attributes={
            "Arn": "stateMachineArn",
            "Name": "{StateMachineName}",
            "StateMachineRevisionId": "revisionId",
        },
        shown={"StateMachineName": "name", "StateMachineType": "type"},
        derive=_definition,
        derived=frozenset(
            {"Definition", "DefinitionS3Location", "DefinitionString", "DefinitionSubstitutions"}
        ),
    ),
    "AWS::StepFunctions::StateMachineAlias": Row(
        "stepfunctions",
        name=("Name",),
        ref=("Arn",),
        create=Call("CreateStateMachineAlias", {"routingConfiguration": _routing}),
        read=Call("DescribeStateMachineAlias", {"stateMachineAliasArn": "Arn"}),
        update=(
            Call(
                "UpdateStateMachineAlias",
                {"stateMachineAliasArn": "Arn", "routingConfiguration": _routing},
                whole=True,
            ),
        ),
        unset={"Description": ""},
        delete=Call("DeleteStateMachineAlias", {"stateMachineAliasArn": "Arn"}),
        attributes={"Arn": "stateMachineAliasArn"},
    ),
    "AWS::StepFunctions::StateMachineVersion": Row(
        "stepfunctions",
        ref=("Arn",),
        create=Call("PublishStateMachineVersion", {"revisionId": "StateMachineRevisionId"}),
        delete=Call("DeleteStateMachineVersion", {"stateMachineVersionArn": "Arn"}),
        attributes={"Arn": "stateMachineVersionArn"},
    ),
}

MONITORING: Mapping[str, Row] = {
    "AWS::CloudWatch::Alarm": Row(
        "cloudwatch",
        name=("AlarmName",),
        ref=("AlarmName",),
        create=Call("PutMetricAlarm"),
        read=Call("DescribeAlarms", {"AlarmNames": ["AlarmName"]}),
        described_at="MetricAlarms.0",
        update=(Call("PutMetricAlarm", whole=True),),
        delete=Call("DeleteAlarms", {"AlarmNames": ["AlarmName"]}),
        attributes={"Arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{AlarmName}"},
    ),
    "AWS::CloudWatch::CompositeAlarm": Row(
        "cloudwatch",
        name=("AlarmName",),
        ref=("AlarmName",),
        create=Call("PutCompositeAlarm"),
        read=Call("DescribeAlarms", {"AlarmNames": ["AlarmName"], "AlarmTypes": Always(["CompositeAlarm"])}),
        described_at="CompositeAlarms.0",
        update=(Call("PutCompositeAlarm", whole=True),),
        delete=Call("DeleteAlarms", {"AlarmNames": ["AlarmName"]}),
        attributes={"Arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{AlarmName}"},
    ),
    "AWS::CloudWatch::Dashboard": Row(
        "cloudwatch",
        name=("DashboardName",),
        ref=("DashboardName",),
        create=Call("PutDashboard"),
        read=Call("GetDashboard"),
        update=(Call("PutDashboard", whole=True),),
        delete=Call("DeleteDashboards", {"DashboardNames": ["DashboardName"]}),
    ),
    "AWS::Logs::Destination": Row(
        "logs",
        ref=("DestinationName",),
        create=Call("PutDestination"),
        then=(
            Call(
                "PutDestinationPolicy",
                {"accessPolicy": "DestinationPolicy"},
                frozenset({"DestinationPolicy"}),
            ),
        ),
        update=(
            Call("PutDestination", when=frozenset({"RoleArn", "TargetArn"})),
            Call(
                "PutDestinationPolicy",
                {"accessPolicy": "DestinationPolicy"},
                frozenset({"DestinationPolicy"}),
            ),
        ),
        delete=Call("DeleteDestination"),
        attributes={"Arn": "arn:{partition}:logs:{region}:{account}:destination:{DestinationName}"},
    ),
    "AWS::Logs::LogStream": Row(
        "logs",
        name=("LogStreamName",),
        ref=("LogStreamName",),
        create=Call("CreateLogStream"),
        delete=Call("DeleteLogStream"),
    ),
    "AWS::Logs::MetricFilter": Row(
        "logs",
        name=("FilterName",),
        ref=("FilterName",),
        create=Call("PutMetricFilter"),
        read=Call(
            "DescribeMetricFilters", {"logGroupName": "LogGroupName", "filterNamePrefix": "FilterName"}
        ),
        described_at="metricFilters.0",
        update=(Call("PutMetricFilter", whole=True),),
        delete=Call("DeleteMetricFilter"),
    ),
    "AWS::Logs::ResourcePolicy": Row(
        "logs",
        ref=("PolicyName",),
        create=Call("PutResourcePolicy"),
        update=(Call("PutResourcePolicy", whole=True),),
        delete=Call("DeleteResourcePolicy"),
    ),
    "AWS::Logs::SubscriptionFilter": Row(
        "logs",
        name=("FilterName",),
        ref=("FilterName",),
        create=Call("PutSubscriptionFilter"),
        read=Call(
            "DescribeSubscriptionFilters", {"logGroupName": "LogGroupName", "filterNamePrefix": "FilterName"}
        ),
        described_at="subscriptionFilters.0",
        update=(Call("PutSubscriptionFilter", whole=True),),
        delete=Call("DeleteSubscriptionFilter"),
    ),
}

FUNCTIONS: Mapping[str, Row] = {
    "AWS::Lambda::Alias": Row(
        "lambda",
        ref=("AliasArn",),
        create=Call("CreateAlias", {"RoutingConfig": _weights}),
        then=(
            Call(
                "PutProvisionedConcurrencyConfig",
                {
                    "Qualifier": "Name",
                    "ProvisionedConcurrentExecutions": (
                        "ProvisionedConcurrencyConfig.ProvisionedConcurrentExecutions"
                    ),
                },
                frozenset({"ProvisionedConcurrencyConfig"}),
            ),
        ),
        read=Call("GetAlias"),
        update=(Call("UpdateAlias", {"RoutingConfig": _weights}, whole=True),),
        unset={"Description": ""},
        delete=Call("DeleteAlias"),
    ),
    "AWS::Lambda::EventInvokeConfig": Row(
        "lambda",
        ref=("FunctionName", "Qualifier"),
        create=Call("PutFunctionEventInvokeConfig"),
        read=Call("GetFunctionEventInvokeConfig"),
        update=(Call("PutFunctionEventInvokeConfig", whole=True),),
        delete=Call("DeleteFunctionEventInvokeConfig"),
    ),
    "AWS::Lambda::Url": Row(
        "lambda",
        ref=("FunctionArn",),
        create=Call("CreateFunctionUrlConfig", {"FunctionName": "TargetFunctionArn"}),
        read=Call("GetFunctionUrlConfig", {"FunctionName": "TargetFunctionArn"}),
        update=(Call("UpdateFunctionUrlConfig", {"FunctionName": "TargetFunctionArn"}, whole=True),),
        delete=Call("DeleteFunctionUrlConfig", {"FunctionName": "TargetFunctionArn"}),
    ),
}

IDENTITY: Mapping[str, Row] = {
    f"AWS::IAM::{kind}Policy": Row(
        "iam",
        ref=("PolicyName", f"{kind}Name"),
        create=Call(f"Put{kind}Policy"),
        read=Call(f"Get{kind}Policy"),
        update=(Call(f"Put{kind}Policy", whole=True),),
        delete=Call(f"Delete{kind}Policy"),
    )
    for kind in ("Group", "Role", "User")
} | {
    "AWS::IAM::OIDCProvider": Row(
        "iam",
        ref=("Arn",),
        create=Call(
            "CreateOpenIDConnectProvider",
            {"ClientIDList": "ClientIdList", "ThumbprintList": "ThumbprintList"},
        ),
        read=Call("GetOpenIDConnectProvider", {"OpenIDConnectProviderArn": "Arn"}),
        update=(
            Call(
                "UpdateOpenIDConnectProviderThumbprint",
                {"OpenIDConnectProviderArn": "Arn", "ThumbprintList": "ThumbprintList"},
                frozenset({"ThumbprintList"}),
            ),
        ),
        delete=Call("DeleteOpenIDConnectProvider", {"OpenIDConnectProviderArn": "Arn"}),
        attributes={"Arn": "OpenIDConnectProviderArn"},
        untold=("Url",),
        tag=Call("TagOpenIDConnectProvider", {"OpenIDConnectProviderArn": "TaggedArn", "Tags": "Added"}),
        untag=Call(
            "UntagOpenIDConnectProvider", {"OpenIDConnectProviderArn": "TaggedArn", "TagKeys": "Removed"}
        ),
    ),
}

NETWORK: Mapping[str, Row] = {
    "AWS::EC2::EIP": Row(
        "ec2",
        ref=("PublicIp",),
        create=Call("AllocateAddress"),
        then=(
            Call(
                "AssociateAddress",
                {"AllocationId": "AllocationId", "InstanceId": "InstanceId"},
                frozenset({"InstanceId"}),
            ),
        ),
        delete=Call("ReleaseAddress", {"AllocationId": "AllocationId"}),
        arn="{AllocationId}",
        tag=_EC2_TAG,
        untag=_EC2_UNTAG,
    ),
    "AWS::EC2::FlowLog": Row(
        "ec2",
        ref=("Id",),
        create=Call("CreateFlowLogs", {"ResourceIds": ["ResourceId"]}),
        delete=Call("DeleteFlowLogs", {"FlowLogIds": ["Id"]}),
        attributes={"Id": "FlowLogIds.0"},
        arn="{Id}",
        tag=_EC2_TAG,
        untag=_EC2_UNTAG,
    ),
} | {
    f"AWS::EC2::SecurityGroup{direction}": Row(
        "ec2",
        ref=("Id",),
        create=Call(
            f"AuthorizeSecurityGroup{direction}",
            {"GroupId": "GroupId", "IpPermissions": _permission},
        ),
        delete=Call(
            f"RevokeSecurityGroup{direction}",
            {"GroupId": "GroupId", "IpPermissions": _permission},
        ),
        attributes={"Id": "SecurityGroupRules.0.SecurityGroupRuleId"},
        replaces=("/properties/Description",),
    )
    for direction in ("Egress", "Ingress")
}

BUILDS: Mapping[str, Row] = {
    "AWS::CodeBuild::ReportGroup": Row(
        "codebuild",
        name=("Name",),
        ref=("Arn",),
        create=Call("CreateReportGroup"),
        read=Call("BatchGetReportGroups", {"reportGroupArns": ["Arn"]}),
        described_at="reportGroups.0",
        update=(Call("UpdateReportGroup", {"arn": "Arn"}),),
        delete=Call("DeleteReportGroup", {"arn": "Arn"}),
        attributes={"Arn": "reportGroup.arn"},
    ),
    "AWS::CodeBuild::SourceCredential": Row(
        "codebuild",
        ref=("Arn",),
        create=Call("ImportSourceCredentials"),
        update=(Call("ImportSourceCredentials", whole=True),),
        delete=Call("DeleteSourceCredentials", {"arn": "Arn"}),
        attributes={"Arn": "arn"},
    ),
}

LAKE_FORMATION: Mapping[str, Row] = {
    "AWS::LakeFormation::Resource": Row(
        "lakeformation",
        ref=("ResourceArn",),
        create=Call("RegisterResource"),
        read=Call("DescribeResource"),
        described_at="ResourceInfo",
        delete=Call("DeregisterResource"),
        untold=("UseServiceLinkedRole",),
    ),
    "AWS::LakeFormation::Tag": Row(
        "lakeformation",
        ref=("CatalogId", "TagKey"),
        create=Call("CreateLFTag"),
        read=Call("GetLFTag"),
        delete=Call("DeleteLFTag"),
        replaces=("/properties/TagValues",),
    ),
}

TABLE: Mapping[str, Row] = {
    **GLUE,
    **ATHENA,
    **EVENTS,
    **STEP_FUNCTIONS,
    **MONITORING,
    **FUNCTIONS,
    **IDENTITY,
    **NETWORK,
    **BUILDS,
    **LAKE_FORMATION,
}
