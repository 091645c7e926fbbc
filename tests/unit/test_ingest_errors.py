from __future__ import annotations

from lake.ingest import without_frames


def test_java_frames_are_left_to_the_log():
    error = (
        "Py4JJavaError: An error occurred while calling o45.parquet.\n"
        ": java.nio.file.AccessDeniedException: s3a://lake/erp: no credentials\n"
        "\tat org.apache.hadoop.fs.s3a.S3AUtils.translateException(S3AUtils.java:212)\n"
        "Caused by: com.amazonaws.SdkClientException: nothing\n"
        "\t... 21 more\n"
    )
    assert without_frames(error).splitlines() == [
        "Py4JJavaError: An error occurred while calling o45.parquet.",
        ": java.nio.file.AccessDeniedException: s3a://lake/erp: no credentials",
        "Caused by: com.amazonaws.SdkClientException: nothing",
    ]


def test_a_short_error_stays_as_it_is():
    assert without_frames("no column named total") == "no column named total"
