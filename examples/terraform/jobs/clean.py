"""Keeps the days of a station that have a temperature."""

import csv
import io
import sys

import boto3
from awsglue.utils import getResolvedOptions

options = getResolvedOptions(sys.argv, ["bucket", "station"])
s3 = boto3.client("s3")
station = options["station"]
raw = s3.get_object(Bucket=options["bucket"], Key=f"raw/{station}.csv")["Body"].read().decode()
clean = io.StringIO()
writer = csv.writer(clean, lineterminator="\n")
kept = [row for row in csv.DictReader(io.StringIO(raw)) if row["celsius"]]
writer.writerows([row["day"], row["celsius"]] for row in kept)
s3.put_object(
    Bucket=options["bucket"], Key=f"clean/station={station}/days.csv", Body=clean.getvalue().encode()
)
print(f"{station}: {len(kept)} days")
