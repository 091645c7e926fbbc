"""The whole job, on real Spark, S3, catalog and Athena."""

from decimal import Decimal

import pytest
from pytest_millpond import Athena, Aws, GlueJob, GlueJobs, Objects

DAY = "shop,amount\nnorth,1.50\nsouth,2.00\nnorth,0.25\nwest,unknown\n"


@pytest.fixture(scope="module")
def totals_job(glue_job: GlueJobs) -> GlueJob:
    return glue_job("job.py")


def test_totals_are_summed_by_shop_and_found_by_athena(
    totals_job: GlueJob, aws: Aws, s3: Objects, athena: Athena
) -> None:
    lake = s3.bucket("shops")
    s3.put(f"{lake}/in/day.csv", DAY)
    aws("glue").create_database(DatabaseInput={"Name": "sales"})

    run = totals_job.run({"source": f"{lake}/in/", "target": f"{lake}/out/", "database": "sales"})

    run.assert_succeeded()
    s3.assert_objects(f"{lake}/out", ["*.parquet"])
    athena("SELECT shop, total FROM sales.totals ORDER BY shop").assert_rows(
        [("north", Decimal("1.75")), ("south", Decimal("2.00"))]
    )


def test_an_argument_that_is_missing_fails_the_job(totals_job: GlueJob) -> None:
    totals_job.run({"source": "s3://shops/in/"}).assert_failed(match="target")
