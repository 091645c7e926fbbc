"""What Millpond changes in LocalStack and moto at run time: one inventory, and the only way to change it.

To replace something of theirs, add a row to :data:`INVENTORY` and install it where its service is made
(:mod:`millpond.localstack_ext.engine.services`)::

    def describe(theirs: Any, machine: Any) -> Any:
        return {**theirs(machine), "tracingConfiguration": machine.tracing_config or OFF}

    patches.wrap(StateMachineInstance, "describe", describe)

:func:`wrap` hands what was there to the new function as its first argument, :func:`replace` puts another
thing in its place, :func:`add` gives a class a method that it lacks. The owner is the class or the module
that *defines* the name. ``tests/unit/test_localstack_ext_patches.py`` fails when a target is gone, takes
other arguments or is of another version than its row says, when a row is not installed, and when anything
of theirs is assigned to by other means. A subclass that LocalStack lets one plug in is the better way where
there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from localstack.utils.patch import Patch, create_patch_proxy

from millpond.base.foreign import Target

_LOCALSTACK = "localstack-core 4.14.0"
_MOTO = "moto-ext 5.1.54"
_ASL = "localstack.services.stepfunctions.asl"
_STATE = f"{_ASL}.component.state.state_execution.state_task"


INVENTORY: tuple[Target, ...] = (
    # The engine
    Target(
        "localstack.packages.api:PackageInstaller.install",
        "(self, target=None)",
        _LOCALSTACK,
        "It downloads what is first asked for; this engine fetches nothing.",
    ),
    Target(
        "localstack.aws.skeleton:Skeleton.on_not_implemented_error",
        "(self, serializer, context, exception)",
        _LOCALSTACK,
        "What is missing has status 501, which SDKs ask for again, and speaks of licences.",
    ),
    Target(
        "localstack.aws.handlers.service:ServiceExceptionSerializer.create_exception_response",
        "(self, exception, context)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        "localstack.aws.handlers.service:ServiceRequestRouter.create_not_implemented_response",
        "(self, context)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        "localstack.aws.connect:ClientFactory._get_client",
        "(self, service_name, region_name, use_ssl, verify, endpoint_url, aws_access_key_id, "
        "aws_secret_access_key, aws_session_token, config)",
        _LOCALSTACK,
        "It keeps 256 clients of sessions that have ended, 60 MB.",
    ),
    # SQS
    Target(
        "localstack.services.sqs.constants:DELETE_IF_DEFAULT",
        "dict",
        _LOCALSTACK,
        "An empty RedriveAllowPolicy is kept as an empty text.",
    ),
    # Requests
    Target(
        "twisted.web.http:_parseContentType",
        "(line)",
        "localstack-twisted 25.5.0",
        "It takes a sixteenth of the engine's time.",
    ),
    Target(
        "localstack.aws.handlers.service:ServiceRequestParser.parse_and_enrich",
        "(self, context)",
        _LOCALSTACK,
        "What cannot be read is an internal error, and values of any type are taken.",
    ),
    # CloudFormation
    Target(
        "localstack.services.cloudformation.resource_provider:ResourceProviderExecutor.try_load_resource_provider",
        "(resource_type)",
        _LOCALSTACK,
        "Most types of a data platform are missing, and others leave out properties without a word.",
    ),
    Target(
        "localstack.services.cloudformation.engine.v2.change_set_resource_support_checker:"
        "_build_resource_failure_message",
        "(resource_type, status)",
        _LOCALSTACK,
        "It speaks of licences; what is not here is told by its name, and where the list of types is.",
    ),
    Target(
        "localstack.services.cloudformation.resource_provider:ResourceProviderExecutor.execute_action",
        "(self, resource_provider, raw_payload)",
        _LOCALSTACK,
        "A change that a provider cannot make is a success, and the reason of a failure is lost.",
    ),
    Target(
        "localstack.services.cloudformation.resource_provider:ResourceProviderExecutor."
        "extract_physical_resource_id_from_model_with_schema",
        "(self, resource_model, resource_type, resource_type_schema)",
        _LOCALSTACK,
        "Ref of a type of the table is what its row says.",
    ),
    Target(
        "localstack.services.cloudformation.engine.yaml_parser:parse_yaml",
        "(input_data)",
        _LOCALSTACK,
        "Aliases in a template of 285 bytes take 5 GB; CloudFormation refuses them.",
    ),
    Target(
        "localstack.services.cloudformation.engine.v2.change_set_model_preproc:"
        "ChangeSetModelPreproc._perform_dynamic_replacements",
        "(self, value)",
        _LOCALSTACK,
        "All references of a text get the value of the first, also where nothing is made.",
    ),
    Target(
        "localstack.services.cloudformation.engine.v2.change_set_model_preproc:ChangeSetModelPreproc.visit_node_parameter",
        "(self, node_parameter)",
        _LOCALSTACK,
        "A list parameter has its type in the new template alone, so that it fails or seems changed.",
    ),
    # CloudWatch
    Target(
        "localstack.services.cloudwatch.provider_v2:connect_to",
        "(*, region_name=None, aws_access_key_id=None, aws_secret_access_key=None, aws_session_token=None, "
        "endpoint_url=None, config=None)",
        _LOCALSTACK,
        "What alarms do is not said to be CloudWatch's, for an alarm.",
    ),
    # DynamoDB
    Target(
        "moto.dynamodb.models.dynamo_type:Item.update_with_attribute_updates",
        "(self, attribute_updates)",
        _MOTO,
        "It makes text of booleans and of binary data, and drops NULL.",
    ),
    Target(
        "moto.dynamodb.models.dynamo_type:LimitedSizeDict.__deepcopy__",
        None,
        _MOTO,
        "A transaction copies its tables, and measures each item as often as it has attributes.",
    ),
    Target(
        "moto.dynamodb.models.table:StreamShard.add",
        "(self, old, new)",
        _MOTO,
        "Records lack types, regions and images; a table whose stream is off cannot be written.",
    ),
    # EC2
    Target(
        "moto.ec2.models.security_groups:SecurityGroupRule.__init__",
        "(self, ec2_backend, ip_protocol, group_id, from_port, to_port, ip_range, source_group=None, "
        "prefix_list_id=None, is_egress=True, tags=None)",
        _MOTO,
        "It forgets the description of a rule that names a prefix list.",
    ),
    Target(
        "moto.ec2.models.security_groups:SecurityGroupRule.description",
        "property",
        _MOTO,
        "Rules that name a group or a prefix list have none.",
    ),
    Target(
        "moto.ec2.models.security_groups:SecurityGroupRule.__eq__",
        "(self, other)",
        _MOTO,
        "A rule that names a group is another one when its description changes, and so is not found.",
    ),
    Target(
        "moto.ec2.models.security_groups:SecurityGroupBackend._sg_update_description",
        "(self, security_rule, rule)",
        _MOTO,
        "The description of a rule that names a prefix list never changes.",
    ),
    # EventBridge
    Target(
        "localstack.services.events.rule:RuleService.create_schedule_job",
        "(self, schedule_job_sender_func)",
        _LOCALSTACK,
        "The clock that a rule had, from other targets, goes on.",
    ),
    Target(
        "localstack.services.events.target:TargetSender.process_event",
        "(self, event, trace_header)",
        _LOCALSTACK,
        "An event that a target refuses is not retried, nor put into the dead-letter queue.",
    ),
    Target(
        "localstack.services.events.target:TargetSenderFactory.target_map",
        "dict",
        _LOCALSTACK,
        "A state machine's execution is named after the event, which a target's own input lacks.",
    ),
    Target(
        "localstack.services.events.event_rule_engine:EventPatternCompiler.compile_event_pattern",
        "(self, event_pattern)",
        _LOCALSTACK,
        "A rule may have what is no pattern, and never finds anything.",
    ),
    Target(
        "localstack.services.events.event_rule_engine:EventRuleEngine.evaluate_pattern_on_event",
        "(self, compiled_event_pattern, event)",
        _LOCALSTACK,
        "Fields of several objects in an array match together, and a wildcard needs a character.",
    ),
    # Lake Formation
    Target(
        "moto.lakeformation.models:LakeFormationBackend.list_permissions",
        "(self, catalog_id, principal=None, resource=None, resource_type=None)",
        _MOTO,
        "A grant on columns is not among those of its table.",
    ),
    Target(
        "moto.lakeformation.models:LakeFormationBackend.revoke_permissions",
        "(self, catalog_id, principal, resource, permissions_to_revoke, "
        "permissions_with_grant_options_to_revoke)",
        _MOTO,
        "Revoking what is not granted is a success.",
    ),
    Target(
        "moto.lakeformation.models:Permission.__hash__",
        "(self)",
        _MOTO,
        "A grant that was added to cannot be revoked.",
    ),
    # Lambda
    Target(
        "localstack.services.lambda_.api_utils:map_config_out",
        "(version, return_qualified_arn=False, return_update_status=True, alias_name=None)",
        _LOCALSTACK,
        "The key of a function's environment is taken and never told again.",
    ),
    Target(
        "localstack.services.lambda_.invocation.version_manager:record_cw_metric_invocation",
        "(function_name, account_id, region_name)",
        _LOCALSTACK,
        "Errors are reported with failed invocations alone; on AWS, with each one.",
    ),
    Target(
        "localstack.services.lambda_.invocation.version_manager:record_cw_metric_error",
        "(function_name, account_id, region_name)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        "localstack.services.lambda_.invocation.version_manager:"
        "LambdaVersionManager.update_provisioned_concurrency_config",
        "(self, provisioned_concurrent_executions)",
        _LOCALSTACK,
        "A change is ready before it is begun.",
    ),
    Target(
        "localstack.services.lambda_.invocation.assignment:AssignmentService.scale_provisioned_concurrency",
        "(self, version_manager_id, function_version, target_provisioned_environments)",
        _LOCALSTACK,
        "What is stopped is counted as started.",
    ),
    Target(
        "localstack.services.lambda_.invocation.logs:LogHandler.run_log_loop",
        "(self, *args, **kwargs)",
        _LOCALSTACK,
        "It asks for CreateLogGroup before every stream, and a role that lacks it has no log.",
    ),
    Target(
        "localstack.services.lambda_.invocation.version_manager:LambdaVersionManager.invoke",
        "(self, *, invocation)",
        _LOCALSTACK,
        "Throttled invocations are not counted.",
    ),
    *(
        Target(
            f"localstack.services.lambda_.event_source_mapping.esm_worker_factory:{name}",
            f"(source_arn, source_parameters=None, source_client=None, processor=None{more})",
            _LOCALSTACK,
            reason,
        )
        for name, more, reason in (
            ("SqsPoller", "", "Bodies are written anew."),
            (
                "KinesisPoller",
                ", partner_resource_arn=None, invoke_identity_arn=None, kinesis_namespace=False, "
                "esm_uuid=None, shards=None",
                "A mapping that is changed begins anew, new shards are not read, batches are not halved.",
            ),
            ("DynamoDBPoller", ", partner_resource_arn=None, esm_uuid=None, shards=None", "The same."),
        )
    ),
    Target(
        "localstack.services.lambda_.invocation.execution_environment:ExecutionEnvironment.invoke",
        "(self, invocation)",
        _LOCALSTACK,
        "It keeps the client's context to itself.",
    ),
    Target(
        "localstack.services.lambda_.invocation.lambda_service:LambdaService.stop_version",
        "(self, qualified_arn)",
        _LOCALSTACK,
        "A function that failed before it ran can never be deleted.",
    ),
    Target(
        "localstack.services.lambda_.invocation.lambda_service:store_lambda_archive",
        "(archive_file, function_name, region_name, account_id)",
        _LOCALSTACK,
        "A ZIP file with links that leave its folder is taken.",
    ),
    Target(
        "localstack.services.lambda_.provider:store_lambda_archive",
        "(archive_file, function_name, region_name, account_id)",
        _LOCALSTACK,
        "The same function, by the name that the provider imported.",
    ),
    Target(
        "localstack.services.lambda_.invocation.lambda_models:S3Code.prepare_for_execution",
        "(self)",
        _LOCALSTACK,
        "The program unzip writes through links that it made, and changes the mode of what they lead to.",
    ),
    # CloudWatch Logs
    Target(
        "moto.logs.models:LogGroup.create_log_stream",
        "(self, log_stream_name)",
        _MOTO,
        "LocalStack's own replacement breaks off in a group that has a subscription filter.",
    ),
    Target(
        "localstack.services.logs.provider:get_pattern_matcher",
        "(pattern)",
        _LOCALSTACK,
        "Every event matches every pattern.",
    ),
    Target(
        "moto.logs.responses:LogsResponse.associate_kms_key",
        None,
        _MOTO,
        "The key of a log group cannot be changed.",
    ),
    Target(
        "moto.logs.responses:LogsResponse.disassociate_kms_key",
        None,
        _MOTO,
        "The same.",
    ),
    # S3
    Target(
        "localstack.services.s3.notifications:quote",
        "(string, safe='/', encoding=None, errors=None)",
        _LOCALSTACK,
        "A space in the key of a notification is + on AWS.",
    ),
    Target(
        "localstack.services.s3.notifications:EventBridgeNotifier._get_event_payload",
        "(ctx, config_id=None)",
        _LOCALSTACK,
        "Keys are URL-encoded, events have no order, and reason and requester are not AWS's.",
    ),
    Target(
        "localstack.services.s3.notifications:EventBridgeNotifier.notify",
        "(self, ctx, config)",
        _LOCALSTACK,
        "Each object that a job writes is a request to EventBridge, whether or not anybody waits for it.",
    ),
    # Secrets Manager
    Target(
        "moto.secretsmanager.models:SecretsManagerBackend.rotate_secret",
        "(self, secret_id, client_request_token=None, rotation_lambda_arn=None, rotation_rules=None, "
        "rotate_immediately=True)",
        _MOTO,
        "The steps run within the call, and what goes wrong in them is hidden.",
    ),
    Target(
        "moto.secretsmanager.models:FakeSecret.to_dict",
        "(self)",
        _MOTO,
        "A rotation by a schedule is described as one after no days.",
    ),
    # Step Functions
    Target(
        "localstack.services.stepfunctions.asl.eval.event.logging:CloudWatchLoggingSession.publish_history_log",
        "(self, history_log)",
        _LOCALSTACK,
        "Each event of a history is a request to CloudWatch Logs, for which the execution waits.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.state_machine:StateMachineInstance.describe",
        "(self)",
        _LOCALSTACK,
        "Whether a machine is traced is taken and never told again.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.execution:Execution.publish_execution_status_change_event",
        "(self)",
        _LOCALSTACK,
        "Events are not as AWS has them, and there are no metrics.",
    ),
    Target(
        f"{_STATE}.state_task_factory:state_task_service_for",
        "(service_name)",
        _LOCALSTACK,
        "The integrations of Athena and CodeBuild are missing, and Glue's does not end the job run.",
    ),
    Target(
        f"{_STATE}.state_task:StateTask._from_error",
        "(self, env, ex)",
        _LOCALSTACK,
        "A call without an answer fails as States.Runtime, which nothing can catch.",
    ),
    Target(
        "localstack.services.stepfunctions.asl.eval.environment:Environment.set_error",
        "(self, error)",
        _LOCALSTACK,
        "An execution that was stopped or timed out ends as FAILED when a task of it raises meanwhile.",
    ),
    Target(
        f"{_ASL}.static_analyser.test_state.test_state_analyser:TestStateStaticAnalyser._SUPPORTED_STATE_TYPES",
        "set",
        _LOCALSTACK,
        "TestState refuses Parallel states.",
    ),
    Target(
        f"{_ASL}.parse.test_state.asl_parser:TestStateAmazonStateLanguageParser.parse",
        "(definition, state_name=None)",
        _LOCALSTACK,
        "The grammar lacks fields of distributed Maps.",
    ),
    Target(
        f"{_ASL}.parse.test_state.preprocessor:_decorate_state_field",
        "(state_field, is_single_state=False)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        f"{_ASL}.parse.test_state.preprocessor:find_state",
        "(state_name, states)",
        _LOCALSTACK,
        "States in branches are not found.",
    ),
    Target(
        f"{_ASL}.component.common.error_name.custom_error_name:CustomErrorName.__init__",
        "(self, error_name)",
        _LOCALSTACK,
        "An error whose name begins with States. cannot be passed on, for example out of a branch.",
    ),
    Target(
        f"{_ASL}.component.common.error_name.error_equals_decl:ErrorEqualsDecl._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "States.ALL catches what nothing catches on AWS, and States.TaskFailed too few.",
    ),
    Target(
        f"{_ASL}.utils.json_path:parse",
        "(path, debug=None)",
        _LOCALSTACK,
        "Each path is read anew whenever it is evaluated.",
    ),
    Target(
        f"{_ASL}.component.common.string.string_expression:StringJSONata._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "JSONata needs a Java runtime, and has its values written into the expression.",
    ),
    Target(
        f"{_ASL}.component.common.string.string_expression:StringVariableSample._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "The same of variables.",
    ),
    Target(
        f"{_ASL}.eval.states:States.reset",
        "(self, input_value)",
        _LOCALSTACK,
        "A result or an error that is not there is null instead of undefined.",
    ),
    Target(
        f"{_ASL}.eval.variable_store:VariableStore.get_assigned_variables",
        "(self)",
        _LOCALSTACK,
        "Texts with quotes are no JSON.",
    ),
    Target(
        f"{_ASL}.parse.preprocessor:Preprocessor.visitString_intrinsic_function",
        "(self, ctx)",
        _LOCALSTACK,
        "Intrinsic functions break off at escaped quotes, drop null and have no limits.",
    ),
    Target(
        f"{_ASL}.static_analyser.intrinsic.variable_names_intrinsic_static_analyser:VariableNamesIntrinsicStaticAnalyser.process_and_get",
        "(definition)",
        _LOCALSTACK,
        "The same parser.",
    ),
    Target(
        f"{_ASL}.parse.asl_parser:AmazonStateLanguageParser.parse",
        "(definition)",
        _LOCALSTACK,
        "The grammar lacks fields of distributed Maps, and parameters that an integration lacks are dropped.",
    ),
    Target(
        f"{_ASL}.component.state.state:is_within_size_quota",
        "(value)",
        _LOCALSTACK,
        "Blanks count, and the largest size is refused.",
    ),
    Target(
        f"{_STATE}.service.state_task_service:is_within_size_quota",
        "(value)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        f"{_ASL}.eval.environment:Environment.open_frame",
        "(self, event_history_context=None)",
        _LOCALSTACK,
        "Where an execution has failed is not known, so that it cannot be redriven.",
    ),
    Target(
        f"{_ASL}.eval.environment:Environment.open_inner_frame",
        "(self, event_history_context=None)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        f"{_ASL}.component.program.program:Program.eval",
        "(self, env)",
        _LOCALSTACK,
        "An execution that is stopped before it begins stays RUNNING.",
    ),
    Target(
        f"{_ASL}.component.program.program:Program._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "An execution cannot go on in the midst.",
    ),
    Target(
        f"{_ASL}.component.state.state:CommonStateField._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "Histories have no limit, and a failed evaluation is not told of.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_parallel.branch_worker:BranchWorker.__init__",
        "(self, branch_worker_comm, program, env)",
        _LOCALSTACK,
        "A branch cannot go on in the midst.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_map.iteration.iteration_worker:IterationWorker._eval_job",
        "(self, env, job)",
        _LOCALSTACK,
        "An iteration cannot go on in the midst.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_parallel.branches_decl:BranchesDecl._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "Branches that have succeeded would run again with a redrive.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_map.iteration.inline_iteration_component:InlineIterationComponent._eval_body",
        "(self, env)",
        _LOCALSTACK,
        "The same of iterations, which also run on when one has failed.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.execution_worker:ExecutionWorker._get_evaluation_environment",
        "(self)",
        _LOCALSTACK,
        "An execution that has just been started can be neither asked nor stopped.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.execution_worker:ExecutionWorker.start",
        "(self)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_map.state_map:StateMap._eval_execution",
        "(self, env)",
        _LOCALSTACK,
        "Items of a distributed Map have no executions of their own, and failed ones leave null.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_map.iteration.itemprocessor.map_run_record:MapRunRecord.describe",
        "(self)",
        _LOCALSTACK,
        "Map Runs cannot be redriven.",
    ),
    Target(
        f"{_ASL}.component.state.state_execution.state_map.iteration.itemprocessor.map_run_record:MapRunRecord.update",
        "(self, max_concurrency, tolerated_failure_count, tolerated_failure_percentage)",
        _LOCALSTACK,
        "What is changed of a Map Run has no effect.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.execution:Execution.to_describe_output",
        "(self)",
        _LOCALSTACK,
        "Executions cannot be redriven.",
    ),
    Target(
        "localstack.services.stepfunctions.backend.execution:Execution.to_execution_list_item",
        "(self)",
        _LOCALSTACK,
        "The same.",
    ),
    Target(
        "localstack.services.stepfunctions.provider:StepFunctionsProvider._validate_definition",
        "(definition, static_analysers)",
        _LOCALSTACK,
        "A definition may go on with states that there are not.",
    ),
    Target(
        f"{_ASL}.component.state.state_choice.comparison.operator.implementations.is_operator:"
        "IsTimestamp.string_to_timestamp",
        "(string)",
        _LOCALSTACK,
        "A timestamp with a fraction of a second, or with an offset, is none.",
    ),
    Target(
        f"{_ASL}.component.state.state_wait.wait_function.timestamp:Timestamp._from_timestamp_string",
        "(timestamp)",
        _LOCALSTACK,
        "A Wait state takes no offset, and holds UTC against the clock of the machine.",
    ),
    Target(
        f"{_STATE}.state_task_activitiy:StateTaskActivity._from_error",
        "(self, env, ex)",
        _LOCALSTACK,
        "A missed heartbeat is a States.Timeout.",
    ),
)


def _of_states(name: str, signature: str, reason: str) -> Target:
    return Target(f"localstack.services.stepfunctions.{name}", signature, _LOCALSTACK, reason)


def _of_secrets(name: str, signature: str, reason: str) -> Target:
    return Target(f"moto.secretsmanager.models:SecretsManagerBackend.{name}", signature, _MOTO, reason)


_ITERATION = "asl.component.state.state_execution.state_map.iteration.iteration_component:IterationComponent"
_TASK = "asl.component.state.state_execution.state_task"

USED: tuple[Target, ...] = (
    Target(
        "moto.core.responses:BaseResponse._get_param",
        "(self, param_name, if_none=None)",
        _MOTO,
        "A parameter.",
    ),
    Target(
        "localstack.services.lambda_.invocation.lambda_models:S3Code._download_archive_to_file",
        "(self, target_file)",
        _LOCALSTACK,
        "The code of a function, from where it is kept.",
    ),
    _of_secrets("_is_valid_identifier", "(self, identifier)", "Whether there is such a secret."),
    _of_secrets(
        "_from_client_request_token", "(self, client_request_token)", "The version that a call makes."
    ),
    _of_states(
        f"{_TASK}.service.state_task_service:StateTaskService._get_sfn_resource", "(self)", "For the history."
    ),
    _of_states(
        f"{_TASK}.service.state_task_service:StateTaskService._get_sfn_resource_type", "(self)", "The same."
    ),
    _of_states(
        f"{_TASK}.state_task:StateTask._get_supported_parameters", "(self)", "For checking definitions."
    ),
    _of_states(
        f"{_ITERATION}._query_language", "Final[QueryLanguage]", "For the program of a child execution."
    ),
    _of_states(f"{_ITERATION}._start_at", "Final[StartAt]", "The same."),
    _of_states(f"{_ITERATION}._states", "Final[States]", "The same, and for checking definitions."),
    _of_states(
        "asl.eval.states:States._states_data",
        "Final[localstack.services.stepfunctions.asl.eval.states.StatesData]",
        "What JSONata sees as $states.",
    ),
    _of_states("asl.eval.variable_store:VariableStore._outer_scope", "Final[dict]", "What JSONata sees."),
    _of_states("asl.eval.variable_store:VariableStore._inner_scope", "Final[dict]", "What JSONata sees."),
    _of_states(
        "asl.eval.event.event_manager:EventManager._history_event_list",
        "Final[HistoryEventList]",
        "How long the history is.",
    ),
    _of_states(
        "asl.eval.event.logging:CloudWatchLoggingSession._publish_history_log_or_setup",
        "(self, log_events)",
        "Sends several events at once.",
    ),
    _of_states("asl.eval.environment:Environment._program_state", "ProgramState | None", "Runs it again."),
    _of_states(
        "asl.eval.environment:Environment._frames", "Final[list[Environment]]", "What runs within it."
    ),
    _of_states(
        "provider:StepFunctionsProvider._validate_state_machine_execution_arn",
        "(execution_arn)",
        "As theirs do.",
    ),
    _of_states(
        "backend.execution_worker:ExecutionWorker._execution_communication",
        "Final[localstack.services.stepfunctions.backend.execution_worker_comm.ExecutionWorkerCommunication]",
        "Says that a redriven execution has ended.",
    ),
    _of_states(
        "backend.execution_worker:ExecutionWorker._get_evaluation_entrypoint",
        "(self)",
        "The program of a child execution, and of one that is redriven.",
    ),
    Target(
        "localstack.services.s3.notifications:EventBridgeNotifier._get_event_payload",
        "(ctx, config_id=None)",
        _LOCALSTACK,
        "Whether a rule waits for the event.",
    ),
    Target(
        "twisted.web.wsgi:_WSGIResponse._requestFinished",
        "bool",
        "localstack-twisted 25.5.0",
        "Whether the client has gone.",
    ),
)
"""What is used of theirs although its name is private; ruff is told of it in ``pyproject.toml``."""

_ROWS: Mapping[str, Target] = {row.name: row for row in INVENTORY}
_applied: dict[str, Patch] = {}


def wrap(owner: type | ModuleType, name: str, new: Callable[..., Any]) -> None:
    """Let a function of theirs go through another one, which is given the former one first.

    Parameters
    ----------
    owner : type or module
        Defines the function.
    name : str
        Its name.
    new : callable
        Called with the function that was there, then with what the caller gave.

    Raises
    ------
    LookupError
        If :data:`INVENTORY` has no such row.
    AttributeError
        If the owner does not define the name.
    """
    theirs = _defined(owner, name)
    if isinstance(theirs, staticmethod):
        _apply(owner, name, staticmethod(create_patch_proxy(theirs.__func__, new)))
    else:
        _apply(owner, name, create_patch_proxy(theirs, new))


def replace(owner: type | ModuleType, name: str, new: Any) -> None:
    """Put another function, class, property or value in the place of theirs; raises as :func:`wrap` does."""
    _defined(owner, name)
    _apply(owner, name, new)


def add(owner: type, name: str, new: Callable[..., Any]) -> None:
    """Give a class of theirs a method that it lacks.

    Raises
    ------
    LookupError
        If :data:`INVENTORY` has no such row.
    """
    _listed(owner, name)
    setattr(owner, name, new)


def name_of(owner: type | ModuleType, name: str) -> str:
    """The name that a thing of an owner has in :data:`INVENTORY`."""
    if isinstance(owner, ModuleType):
        return f"{owner.__name__}:{name}"
    return f"{owner.__module__}:{owner.__qualname__}.{name}"


def _listed(owner: type | ModuleType, name: str) -> str:
    key = name_of(owner, name)
    if key not in _ROWS:
        raise LookupError(f"{key} is not in the inventory of {__name__}: add a row")
    return key


def _defined(owner: type | ModuleType, name: str) -> Any:
    """What they define under a name; what was put there before is taken back, so that nothing is stacked."""
    key = _listed(owner, name)
    if earlier := _applied.pop(key, None):
        earlier.undo()  # type: ignore[no-untyped-call]
    if name not in vars(owner):
        raise AttributeError(f"{key} is not defined there")
    return vars(owner)[name]


def _apply(owner: type | ModuleType, name: str, new: Any) -> None:
    patch = Patch(owner, name, new)
    # LocalStack keeps what the attribute gives, which of a static method is no static method any more.
    patch.old = vars(owner)[name]
    patch.apply()  # type: ignore[no-untyped-call]
    _applied[name_of(owner, name)] = patch
