"""How far each public name of ``awsglue`` and ``awsgluedq`` goes; ``docs/awsglue.md`` is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple

EXACT = "exact"
PARTIAL = "partial"
REFUSED = "refused"


@dataclass(frozen=True)
class Row:
    """A name.

    Parameters
    ----------
    name : str
        As a script writes it.
    state : str
        ``exact``: does what the documentation says; ``partial``: all but what ``remark`` says;
        ``refused``: raises ``NotImplementedError``.
    test : str
        The test that shows it, ``file::function``.
    remark : str
    """

    name: str
    state: str
    test: str
    remark: str = ""


_S = "test_sources::test_"
_T = "test_transforms::test_"
_C = "test_catalog::test_"
_Q = "test_quality::test_"
_G = "test_studio::test_"
_K = "test_streaming::test_"

SECTIONS: Tuple[Tuple[str, Tuple[Row, ...]], ...] = (
    (
        "GlueContext",
        (
            Row(
                "GlueContext",
                EXACT,
                f"{_S}context_is_a_SQLContext",
                "a `SQLContext`; `getOrCreate`, `_jsc`, `_jvm`",
            ),
            Row("spark_session", EXACT, f"{_S}context_is_a_SQLContext"),
            Row(
                "get_logger",
                EXACT,
                "test_glue_spark_jobs::test_logs_have_the_names_and_the_content_they_have_on_aws",
            ),
            Row("create_dynamic_frame_from_rdd", EXACT, f"{_T}mapping"),
            Row(
                "create_dynamic_frame_from_options",
                PARTIAL,
                f"{_S}json_fields_of_differing_types_are_choices_and_a_line_that_is_none_is_an_error_record",
                "kinds and formats: see below; no push_down_predicate; `groupFiles` and `groupSize` change nothing",
            ),
            Row(
                "create_dynamic_frame_from_catalog",
                PARTIAL,
                f"{_C}partitions_and_files_that_are_read",
                "tables of files, JDBC, DynamoDB, Iceberg, Delta, Hudi; `push_down_predicate`, "
                "`catalogPartitionPredicate`",
            ),
            Row(
                "create_sample_dynamic_frame_from_options",
                PARTIAL,
                f"{_S}sample_has_so_many_records_and_a_data_frame_is_read_likewise",
                "`sample_options` change nothing",
            ),
            Row(
                "create_sample_dynamic_frame_from_catalog",
                PARTIAL,
                f"{_C}tables_are_read_as_samples_and_data_frames",
                "`sample_options` change nothing",
            ),
            Row(
                "create_data_frame_from_options",
                PARTIAL,
                f"{_S}sample_has_so_many_records_and_a_data_frame_is_read_likewise",
                "streams of Kinesis, and of Kafka, whose connector is fetched; `classification` json, or csv with "
                "`schema`, or none; others are refused",
            ),
            Row(
                "create_data_frame_from_catalog",
                PARTIAL,
                f"{_C}tables_are_read_as_samples_and_data_frames",
                "as from_options",
            ),
            Row(
                "get_catalog_schema_as_spark_schema",
                EXACT,
                f"{_C}columns_of_a_table_are_those_of_spark",
            ),
            Row("forEachBatch", EXACT, f"{_K}stream_is_given_batch_by_batch_with_a_second_try"),
            Row("add_ingestion_time_columns", EXACT, f"{_K}stream_is_given_batch_by_batch_with_a_second_try"),
            Row("getSource", EXACT, f"{_S}orc_is_written_and_read"),
            Row("getSink", EXACT, f"{_C}sink_makes_a_table_then_adds_partitions_and_columns"),
            Row(
                "write_dynamic_frame_from_options",
                PARTIAL,
                f"{_S}parquet_is_written_by_partition_keys_and_read_with_them_as_texts",
                "names of files are Spark's; CSV quotes only what needs it",
            ),
            Row("write_from_options", EXACT, f"{_S}collection_is_written_to_places_of_its_names"),
            Row(
                "write_dynamic_frame_from_catalog",
                EXACT,
                f"{_C}frame_is_written_to_where_a_table_is_in_its_format",
            ),
            Row(
                "write_dynamic_frame_from_jdbc_conf",
                EXACT,
                "test_jdbc::test_rows_are_read_in_parts_and_written_by_a_connection",
            ),
            Row(
                "write_data_frame_from_options",
                PARTIAL,
                f"{_C}data_frames_are_written_likewise",
                "as of dynamic frames; Iceberg, Delta and Hudi where their jars are",
            ),
            Row(
                "write_data_frame_from_catalog",
                PARTIAL,
                f"{_C}data_frames_are_written_likewise",
                "as from_options",
            ),
            Row("extract_jdbc_conf", EXACT, f"{_C}connection_says_where_it_leads"),
            Row("purge_table", EXACT, f"{_C}files_are_moved_to_another_storage_class_and_deleted"),
            Row("purge_s3_path", EXACT, f"{_C}files_are_moved_to_another_storage_class_and_deleted"),
            Row("transition_table", EXACT, f"{_C}files_are_moved_to_another_storage_class_and_deleted"),
            Row("transition_s3_path", EXACT, f"{_C}files_are_moved_to_another_storage_class_and_deleted"),
            Row("start_transaction", REFUSED, f"{_S}what_is_not_here_is_refused_by_name", "governed tables"),
            Row("begin_transaction", REFUSED, f"{_S}what_is_not_here_is_refused_by_name", "governed tables"),
            Row("commit_transaction", REFUSED, f"{_S}what_is_not_here_is_refused_by_name", "governed tables"),
            Row("cancel_transaction", REFUSED, f"{_S}what_is_not_here_is_refused_by_name", "governed tables"),
        ),
    ),
    (
        "Kinds of sources and sinks",
        (
            Row(
                "s3",
                PARTIAL,
                f"{_S}files_are_chosen_by_recurse_and_exclusions_and_none_is_an_empty_frame",
                "`compressionType` by the files' names only",
            ),
            Row(
                "JDBC",
                PARTIAL,
                "test_jdbc::test_rows_are_read_in_parts_and_written_by_a_connection",
                "PostgreSQL is tested; others where their driver is, also by `customJdbcDriverS3Path`",
            ),
            Row(
                "dynamodb",
                PARTIAL,
                f"{_C}items_of_dynamodb_are_read_and_written",
                "what the export connector gives is read from the table as it is, and nothing is exported",
            ),
            Row(
                "preactions, postactions",
                EXACT,
                "test_jdbc::test_statements_are_executed_before_and_after_rows_are_written",
                "of every database, also of one that is not Redshift",
            ),
            Row(
                "boundedFiles, boundedSize",
                EXACT,
                f"{_S}bounded_runs_read_the_oldest_new_files_and_later_runs_the_others",
                "of files, also of tables",
            ),
            Row(
                "custom.spark, marketplace.spark",
                PARTIAL,
                f"{_S}connector_is_a_data_source_of_spark_by_its_class",
                "where the class is among the jars: `--extra-jars`, or `CONNECTOR_URL` of the connection; "
                "no `custom.athena`",
            ),
            Row(
                "kinesis",
                PARTIAL,
                f"{_K}kinesis_run_goes_on_at_the_checkpoint_and_repeats_the_batch_that_failed",
                "a source of `create_data_frame` and a format of `spark.readStream`; a window without records has no batch; options of fan-out, "
                "of pauses, of retries and of metrics change nothing",
            ),
            Row(
                "kafka",
                PARTIAL,
                "test_glue_kafka::test_records_are_written_to_a_topic_and_read_as_a_stream",
                "a source of `create_data_frame`, and a sink of JSON and CSV; a connection's `KAFKA_SSL_ENABLED`, SASL "
                "by `PLAIN` and `SCRAM-SHA-512`; certificates, `AWS_MSK_IAM`, `GSSAPI` and the sink's `key` and "
                "`partition` are refused",
            ),
            Row(
                "other connectors",
                REFUSED,
                f"{_S}what_is_not_here_is_refused_by_name",
                "`mongodb`, `snowflake`, `opensearch` …",
            ),
        ),
    ),
    (
        "Formats",
        (
            Row(
                "csv", PARTIAL, f"{_S}csv_options", "without a header as many fields as the first lines have"
            ),
            Row(
                "json",
                PARTIAL,
                f"{_S}json_without_choices_is_read_in_several_lines_arrays_and_by_path",
                "`jsonPath`: names, indexes and `[*]`",
            ),
            Row(
                "parquet",
                PARTIAL,
                f"{_S}parquet_is_written_by_partition_keys_and_read_with_them_as_texts",
                "a field that is always null cannot be written, but by `glueparquet`",
            ),
            Row("glueparquet", EXACT, f"{_C}sink_makes_a_table_then_adds_partitions_and_columns"),
            Row("orc", EXACT, f"{_S}orc_is_written_and_read"),
            Row(
                "avro",
                PARTIAL,
                f"{_S}formats_of_connectors_are_refused_where_their_jars_are_not",
                "where spark-avro is among the jars",
            ),
            Row(
                "xml",
                PARTIAL,
                f"{_S}formats_of_connectors_are_refused_where_their_jars_are_not",
                "Spark's own on 4, else where spark-xml is among the jars",
            ),
            Row("ion", REFUSED, f"{_S}what_is_not_here_is_refused_by_name"),
            Row("grokLog", REFUSED, f"{_S}what_is_not_here_is_refused_by_name"),
        ),
    ),
    (
        "DynamicFrame",
        (
            Row("fromDF", EXACT, f"{_T}data_frames_go_in_and_out_unchanged"),
            Row("toDF", EXACT, f"{_T}data_frame_of_a_choice_is_resolved_by_its_options"),
            Row("count", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row(
                "schema",
                EXACT,
                f"{_S}json_fields_of_differing_types_are_choices_and_a_line_that_is_none_is_an_error_record",
            ),
            Row(
                "printSchema",
                EXACT,
                f"{_S}json_fields_of_differing_types_are_choices_and_a_line_that_is_none_is_an_error_record",
            ),
            Row("show", EXACT, f"{_T}data_frames_go_in_and_out_unchanged"),
            Row("getNumPartitions", EXACT, f"{_T}data_frames_go_in_and_out_unchanged"),
            Row("repartition", EXACT, f"{_T}data_frames_go_in_and_out_unchanged"),
            Row("coalesce", EXACT, f"{_T}data_frames_go_in_and_out_unchanged"),
            Row("apply_mapping", PARTIAL, f"{_T}mapping", "no paths into arrays"),
            Row("select_fields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("drop_fields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("rename_field", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("split_fields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("resolveChoice", EXACT, f"{_T}choice_is_resolved"),
            Row("map", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row("filter", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row("join", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("union", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("mergeDynamicFrame", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("split_rows", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("unnest", PARTIAL, f"{_T}nested_records_become_tables_that_join", "arrays stay as they are"),
            Row(
                "relationalize",
                PARTIAL,
                f"{_T}nested_records_become_tables_that_join",
                "nothing is staged below `staging_path`; the ids are Spark's",
            ),
            Row("unbox", PARTIAL, f"{_T}texts_are_unboxed", "`json` and `csv`"),
            Row(
                "unnest_ddb_json",
                PARTIAL,
                f"{_T}json_of_dynamodb_is_made_simple",
                "numbers stay the texts that they are",
            ),
            Row(
                "simplify_ddb_json",
                PARTIAL,
                f"{_T}json_of_dynamodb_is_made_simple",
                "numbers stay the texts that they are",
            ),
            Row("spigot", EXACT, f"{_T}spigot_writes_some_records_on_the_way"),
            Row("write", EXACT, f"{_S}orc_is_written_and_read"),
            Row("errorsCount", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row(
                "stageErrorsCount",
                EXACT,
                f"{_S}json_fields_of_differing_types_are_choices_and_a_line_that_is_none_is_an_error_record",
            ),
            Row(
                "errorsAsDynamicFrame",
                PARTIAL,
                f"{_T}functions_are_applied_once_and_their_failures_are_error_records",
                "a struct `error` with `msg` and `record`",
            ),
            Row(
                "assertErrorThreshold",
                EXACT,
                f"{_T}functions_are_applied_once_and_their_failures_are_error_records",
            ),
        ),
    ),
    (
        "Transforms",
        (
            Row("ApplyMapping", PARTIAL, f"{_T}mapping", "as apply_mapping"),
            Row("DropFields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("DropNullFields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row(
                "ErrorsAsDynamicFrame",
                PARTIAL,
                f"{_T}functions_are_applied_once_and_their_failures_are_error_records",
                "as errorsAsDynamicFrame",
            ),
            Row(
                "FillMissingValues",
                REFUSED,
                f"{_T}transforms_of_awss_models_are_refused_by_name",
                "a model of AWS",
            ),
            Row("Filter", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row(
                "FindIncrementalMatches",
                REFUSED,
                f"{_T}transforms_of_awss_models_are_refused_by_name",
                "a model of AWS",
            ),
            Row(
                "FindMatches", REFUSED, f"{_T}transforms_of_awss_models_are_refused_by_name", "a model of AWS"
            ),
            Row("FlatMap", EXACT, f"{_T}collections_are_mapped"),
            Row(
                "GlueTransform",
                PARTIAL,
                f"{_T}transform_describes_itself",
                "descriptions are those of the signatures",
            ),
            Row("Join", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("Map", EXACT, f"{_T}functions_are_applied_once_and_their_failures_are_error_records"),
            Row("MapToCollection", EXACT, f"{_T}collections_are_mapped"),
            Row("Relationalize", PARTIAL, f"{_T}nested_records_become_tables_that_join", "as relationalize"),
            Row("RenameField", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("ResolveChoice", EXACT, f"{_T}choice_is_resolved"),
            Row("SelectFields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("SelectFromCollection", EXACT, f"{_T}nested_records_become_tables_that_join"),
            Row("SimplifyDdbJson", PARTIAL, f"{_T}json_of_dynamodb_is_made_simple", "as simplify_ddb_json"),
            Row("Spigot", EXACT, f"{_T}spigot_writes_some_records_on_the_way"),
            Row("SplitFields", EXACT, f"{_T}fields_are_selected_dropped_renamed_and_split"),
            Row("SplitRows", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("Unbox", PARTIAL, f"{_T}texts_are_unboxed", "as unbox"),
            Row("Union", EXACT, f"{_T}frames_are_joined_merged_united_and_split"),
            Row("UnnestFrame", PARTIAL, f"{_T}nested_records_become_tables_that_join", "as unnest"),
        ),
    ),
    (
        "awsglueml",
        (
            Row(
                "EntityDetector",
                REFUSED,
                f"{_T}models_of_awsglueml_are_there_by_name_and_refused",
                "its patterns are not published",
            ),
            Row(
                "FillMissingValues, FindMatches …",
                REFUSED,
                f"{_T}models_of_awsglueml_are_there_by_name_and_refused",
                "a model of AWS",
            ),
        ),
    ),
    (
        "Transforms of Glue Studio",
        (
            Row("gs_array_to_cols", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_concat", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_derived", EXACT, f"{_G}transform_of_glue_studio"),
            Row(
                "gs_explode", PARTIAL, f"{_G}transform_of_glue_studio_makes_rows", "the key of a map is `key`"
            ),
            Row("gs_flatten", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_format_timestamp", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_now", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_null_rows", EXACT, f"{_G}transform_of_glue_studio_makes_rows"),
            Row("gs_parse_json", PARTIAL, f"{_G}transform_of_glue_studio", "no options of its inference"),
            Row("gs_pivot", EXACT, f"{_G}transform_of_glue_studio_makes_rows"),
            Row(
                "gs_repartition",
                PARTIAL,
                f"{_G}identifiers_differ_and_partitions_are_as_many_as_wanted",
                "not by columns",
            ),
            Row("gs_split", EXACT, f"{_G}transform_of_glue_studio"),
            Row("gs_to_timestamp", EXACT, f"{_G}timestamp_is_made_of_numbers_and_texts"),
            Row("gs_uuid", EXACT, f"{_G}identifiers_differ_and_partitions_are_as_many_as_wanted"),
        ),
    ),
    (
        "Job, arguments, data quality",
        (
            Row(
                "getResolvedOptions",
                EXACT,
                "test_glue_resolved_options::test_options_are_resolved_as_argparse_does",
            ),
            Row(
                "Job.init, Job.commit",
                EXACT,
                "test_awsglue_records::test_nothing_is_kept_before_commit_and_then_all_of_it",
                "`commit` alone keeps nothing, and says so in the log",
            ),
            Row(
                "Bookmarks of S3 sources",
                EXACT,
                "test_awsglue_records::test_each_version_of_a_file_is_read_once_even_if_it_appears_late",
                "`maxBand`; enable, pause (with from and to), disable; reset and rewind",
            ),
            Row(
                "Bookmarks of JDBC sources",
                PARTIAL,
                "test_jdbc::test_bookmark_reads_rows_after_the_last_keys",
                "with `jobBookmarkKeys`: no key is found by itself",
            ),
            Row(
                "EvaluateDataQuality.apply",
                PARTIAL,
                f"{_Q}each_rule_type",
                "no analyzers, no dynamic rules; refused rule types: AllStatistics, DetectAnomalies, FileFreshness, FileMatch, FileSize, FileUniqueness",
            ),
            Row(
                "EvaluateDataQuality.process_rows",
                PARTIAL,
                f"{_Q}rows_say_which_rules_they_passed",
                "composite rules by `COLUMN` only",
            ),
            Row(
                "publishing_options",
                PARTIAL,
                f"{_Q}results_are_published",
                "CloudWatch metrics, `resultsS3Prefix`, and results that `GetDataQualityResult` has when the run has ended",
            ),
        ),
    ),
)

_HEAD = """\
# awsglue

What of Glue's library a job script finds in `glue_runtime/`, written from its public documentation. Each row is
shown by a test. *exact*: what the documentation says. *partial*: all but what the remark says. *refused*: raises
`NotImplementedError` with the name. This page is made of `glue_runtime/awsglue/_coverage.py`; where the two differ
a test fails (`python tests/awsglue_docs.py` writes it anew).

## Where the documentation is silent

- A whole number of JSON is `int` where it fits into 32 bits, else `long`; a field with both is a choice of them.
- The members of a choice are in the order of their names; `toDF` shows it as a struct with these names.
- `cast` makes a value that does not convert null; `project` keeps only values of the type (the page of
  `ResolveChoice`; an older page says that it converts).
- Fields of CSV are texts; an empty one is an empty text, and null where the Data Catalog gives another type.
- A text in a column to which the Data Catalog gives another type makes the column a choice with `string`.
- `Join` keeps the names of the first frame; a field of the second that has such a name gets a dot before it (the
  page of `Join` does not say which of the two; the legislators example shows one field only).
- `relationalize` puts a number of the record in an array's place, the same for each array of the record.
- An error record is a struct `error` of two texts.
- Names that differ by case alone are those of two fields. A text that is no JSON is an error record.
- A source without files is a frame without fields.
- Columns of a data frame with the same name are one field of the records, with the last one's value.
"""


def markdown() -> str:
    """The page ``docs/awsglue.md``."""
    parts = [_HEAD]
    for title, rows in SECTIONS:
        lines = [f"| `{row.name}` | {row.state} | {row.remark} |" for row in rows]
        parts.append("\n".join([f"\n## {title}\n", "| name | | remark |", "|---|---|---|", *lines]) + "\n")
    return "".join(parts)
