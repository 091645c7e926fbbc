"""Turns moto's tests on an engine that runs already; loaded by the pytest that runs them.

``MOTO_TESTS_ENDPOINT`` is the engine's address. Where moto would reset its own server, the engine
forgets what the services of these tests hold; the account is what the tests expect, by the access key.
"""

from __future__ import annotations

import os
import time
from typing import Any

ENDPOINT = os.environ["MOTO_TESTS_ENDPOINT"]
os.environ.update(
    TEST_SERVER_MODE="true",
    TEST_SERVER_MODE_ENDPOINT=ENDPOINT,
    AWS_ACCESS_KEY_ID="123456789012",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_DEFAULT_REGION="us-east-1",
    # An error of the engine is what the test shall see, not three more of it.
    AWS_MAX_ATTEMPTS="1",
)

import boto3  # noqa: E402
import requests  # noqa: E402
from botocore.session import Session  # noqa: E402
from moto.core.config import default_user_config  # noqa: E402
from moto.core.models import ServerModeMockAWS  # noqa: E402

SERVICES = ["glue", "s3", "iam"]
BUCKETS = ("my-bucket",)
CRAWL_SECONDS = 30

_create_client = Session.create_client


def reset(_mock: Any) -> None:
    requests.post(
        f"{ENDPOINT}/_localstack/state/reset", json={"services": SERVICES}, timeout=60
    ).raise_for_status()
    # moto asks for no bucket behind a table; the first metadata of an Iceberg table has to be somewhere.
    s3 = boto3.client("s3", endpoint_url=ENDPOINT, region_name="us-east-1")
    for bucket in BUCKETS:
        s3.create_bucket(Bucket=bucket)


def create_client(session: Session, *arguments: Any, **options: Any) -> Any:
    """A client whose ListCrawls waits for the end of the crawl, where in moto the call itself ends it."""
    client = _create_client(session, *arguments, **options)
    if client.meta.service_model.service_name == "glue":

        def wait(params: Any, **_: Any) -> None:
            until = time.monotonic() + CRAWL_SECONDS
            asks_for_state = any(one["FieldName"] == "STATE" for one in params.get("Filters", []))
            while not asks_for_state and time.monotonic() < until:
                try:
                    found = client.get_crawler(Name=params["CrawlerName"])["Crawler"]
                except client.exceptions.EntityNotFoundException:
                    return
                if found["State"] == "READY":
                    return
                time.sleep(0.05)

        client.meta.events.register("provide-client-params.glue.ListCrawls", wait)
    return client


default_user_config["core"]["mock_credentials"] = False
ServerModeMockAWS.reset = reset  # type: ignore[method-assign]
Session.create_client = create_client  # type: ignore[method-assign]
