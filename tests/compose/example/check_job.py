"""The whole job, on real PostgreSQL, Spark, S3 and Athena: by the fixtures of millpond.testing."""

from pathlib import Path

TABLE = """CREATE EXTERNAL TABLE sales.totals (shop string, total decimal(22,2))
           STORED AS PARQUET LOCATION 's3://shops/out/'"""


def test_totals_are_summed_by_shop(onprem_db, aws_clients, glue_job_run, athena_query):
    onprem_db.execute("CREATE TABLE day (shop text, amount numeric(12, 2))")
    onprem_db.execute("INSERT INTO day VALUES ('north', 1.50), ('south', 2.00), ('north', 0.25)")
    with onprem_db.cursor().copy("COPY day TO STDOUT (FORMAT csv, HEADER)") as rows:
        day = b"".join(rows)
    s3 = aws_clients("s3")
    s3.create_bucket(Bucket="shops", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="shops", Key="in/day.csv", Body=day)

    run = glue_job_run(
        Path(__file__).with_name("job.py"), {"--source": "s3://shops/in/", "--target": "s3://shops/out/"}
    )
    assert run.state == "SUCCEEDED", run.log

    athena_query("CREATE DATABASE sales")
    athena_query(TABLE)
    found = athena_query("SELECT shop, total FROM sales.totals ORDER BY shop").rows
    assert found == (("north", "1.75"), ("south", "2.00"))
