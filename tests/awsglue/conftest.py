"""Tests that run in the Spark environment's own interpreter: see ``tests/integration/test_awsglue.py``."""

from __future__ import annotations

import importlib.util
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("pyspark") is None:
    collect_ignore_glob = ["*.py"]


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    builder = SparkSession.builder.master("local[2]")
    for name, value in {
        "spark.driver.extraClassPath": os.environ.get("MILLPOND_TEST_CLASS_PATH", ""),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": os.environ.get("AWS_DEFAULT_REGION", "eu-west-1"),
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": os.environ.get("AWS_ACCESS_KEY_ID", "none"),
        "spark.hadoop.fs.s3a.secret.key": os.environ.get("AWS_SECRET_ACCESS_KEY", "none"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": os.environ.get("TMPDIR", "/tmp") + "/warehouse",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def glue(spark: Any) -> Any:
    from awsglue.context import GlueContext

    return GlueContext(spark.sparkContext)


@pytest.fixture
def frame(glue: Any, spark: Any) -> Callable[..., Any]:
    """Makes a frame of records, as a source of JSON does."""

    def make(*records: dict[str, Any]) -> Any:
        return glue.create_dynamic_frame.from_rdd(spark.sparkContext.parallelize(records, 1), "records")

    return make


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a file below a directory of the test; its path."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def shown(frame: Any) -> list[Any]:
    """The records of a frame, choices by the values that they hold."""
    from awsglue import _infer

    content = frame._settled()
    return [
        json.loads(json.dumps(_infer.logical(row, content.schema), default=str))
        for row in content.df.collect()
    ]


@pytest.fixture(scope="session")
def bucket() -> str:
    import boto3

    name = f"awsglue-{uuid.uuid4().hex[:8]}"
    region = {"LocationConstraint": os.environ["AWS_DEFAULT_REGION"]}
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=region)
    return name
