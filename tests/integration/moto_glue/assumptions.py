"""What moto's tests of Glue suppose that AWS does not do, or that Millpond refuses by name.

``REWRITTEN`` makes a test one that AWS would let pass, so that the rest of it is tried; ``REASONS`` are the
tests that stay out, each with the rule that they break.
"""

from __future__ import annotations

# (file, what stands in it, what stands there instead)
REWRITTEN = (
    # CreateJob takes the kinds glueetl, gluestreaming, pythonshell, and a script.
    ("test_glue.py", '{"Name": "test_command"}', '{"Name": "glueetl", "ScriptLocation": "s3://my-bucket/x.py"}'),
    ("test_glue.py", '"Name": "test_command"', '"Name": "glueetl"'),
    ("test_glue_job_runs.py", '"Name": "some-name"', '"Name": "glueetl"'),
    ("test_glue_job_runs.py", '"PythonVersion": "some-version"', '"PythonVersion": "3"'),
    ("test_glue_job_runs.py", '"ScriptLocation": "some-location"', '"ScriptLocation": "s3://my-bucket/x.py"'),
    # CreateSession: the patterns of Role, PythonVersion and GlueVersion; either a capacity or workers.
    ("test_glue.py", '"arn_of_a_testing_role"', '"arn:aws:iam::123456789012:role/testing"'),
    (
        "test_glue.py",
        'Command={"Name": "string", "PythonVersion": "string"}',
        'Command={"Name": "glueetl", "PythonVersion": "3"}',
    ),
    ("test_glue.py", '        MaxCapacity=123.0,\n        NumberOfWorkers=123,\n', ""),
    ("test_glue.py", '        WorkerType="Standard",\n', ""),
    ("test_glue.py", 'GlueVersion="string",\n        Tags', 'GlueVersion="5.1",\n        Tags'),
    # CreateConnection: a connection of type JDBC has a URL.
    ("test_glue.py", '{"key": "value"}', '{"key": "value", "JDBC_CONNECTION_URL": "jdbc:mysql://h/d"}'),
    (
        "test_glue.py",
        '            "USER_NAME": "moto_user",',
        '            "USER_NAME": "moto_user", "JDBC_CONNECTION_URL": "jdbc:mysql://h/d",',
    ),
    # CreatePartition: a partition has a value for each key of its table; moto's tables have no key.
    (
        "helpers.py",
        'table_input["PartitionKeys"] = partition_keys or []',
        'table_input["PartitionKeys"] = partition_keys or [{"Name": "day", "Type": "string"}]',
    ),
)  # fmt: skip

ENDPOINTS = "development endpoints are refused by name: AWS offers them for Glue 1.0 and before only"
FIRST_VERSION = "the first version of a table is 0, moto's is 1"
NO_POLICY = "GetResourcePolicy without a policy is EntityNotFoundException (API Reference), in moto empty"
CONDITION = "a condition that does not hold is ConditionCheckFailureException (API Reference)"
AT_ONCE = "a run or a session takes its time; in moto it has ended, or is ready, when the call returns"
OWN_ARGUMENTS = "Arguments of a run are those that it was started with, not the job's"
ONE_RUN = "MaxConcurrentRuns is 1 unless the job says more, and the run before has not ended"
WORKERS = "from Glue 2.0 on a run states its workers, type and number, and no capacity (API Reference)"

REASONS = {
    "test_datacatalog.test_get_table_versions": FIRST_VERSION,
    "test_datacatalog.test_delete_table_version": FIRST_VERSION,
    "test_datacatalog.test_batch_delete_partition": "an empty list of errors is in the answer",
    "test_glue.test_get_job_exists": "CreateJob's patterns: a PythonVersion 3.6, a GlueVersion string",
    "test_glue.test_create_predicate_with_invalid_logical_operator": (
        "the words of AWS's validation: how many errors there are, and the values of the model, EQUALS"
    ),
    "test_glue.test_create_crawler_args_not_included_if_job_args_present": (
        "a condition is on a job or on a crawler: moto forgets one of two, here both are refused"
    ),
    "test_glue.test_delete_session": AT_ONCE,
    "test_glue.test_stop_session": AT_ONCE,
    "test_glue.test_get_dev_endpoints": ENDPOINTS,
    "test_glue.test_create_dev_endpoint": ENDPOINTS,
    "test_glue.test_get_dev_endpoint": ENDPOINTS,
    "test_glue.test_delete_dev_endpoint": ENDPOINTS,
    "test_glue.test_get_resource_policy": NO_POLICY,
    "test_glue.test_put_resource_policy_error_conditions": CONDITION,
    "test_glue.test_delete_resource_policy": NO_POLICY,
    "test_glue.test_delete_resource_policy_error_conditions": CONDITION,
    "test_glue_job_runs.test_get_job_run": AT_ONCE,
    "test_glue_job_runs.test_get_job_runs_pagination": ONE_RUN,
    "test_glue_job_runs.test_job_run_id_passed_in_goes_to_previous_run_id_field": ONE_RUN,
    "test_glue_job_runs.test_job_default_arguments_go_through_to_job_run": OWN_ARGUMENTS,
    "test_glue_job_runs.test_non_overridable_arguments_go_through_to_job_run": OWN_ARGUMENTS,
    "test_glue_job_runs.test_non_overridable_arguments_cant_be_overridden": OWN_ARGUMENTS,
    "test_glue_job_runs.test_start_job_run_setting_is_set[AllocatedCapacity-5]": WORKERS,
    "test_glue_job_runs.test_start_job_run_setting_is_set[MaxCapacity-5.0]": WORKERS,
    "test_glue_job_runs.test_start_job_run_setting_is_set[NumberOfWorkers-3]": WORKERS,
    "test_glue_job_runs.test_start_job_run_setting_is_set[WorkerType-G.1X]": WORKERS,
    "test_schema_registry.test_put_schema_version_metadata_valid_input_schema_version_id": (
        "the answer has the version's own number, which is 1, also where its id was asked for"
    ),
}

# These come out as the machine is fast: in moto a crawl goes on, and an empty workflow, until somebody looks.
RACES = (
    *(f"test_datacatalog.test_filter_crawls_for_end_time[{one}]" for one in ("LE", "LT", "GE", "GT")),
    "test_datacatalog.test_filter_crawls_for_state[NE]",
    "test_datacatalog.test_filter_crawls_for_state[EQ]",
    "test_datacatalog.test_start_crawler_should_raise_exception_if_already_running",
    "test_workflows.test_stop_workflow_run",
)
