"""Run a Glue job and fail unless it succeeds: `python run_job.py JOB`, where boto3 is installed."""

import sys
import time

import boto3

FINAL = ("SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR")
SECONDS = 900

job = sys.argv[1]
glue, logs = boto3.client("glue"), boto3.client("logs")
run_id = glue.start_job_run(JobName=job)["JobRunId"]
deadline = time.monotonic() + SECONDS
while (run := glue.get_job_run(JobName=job, RunId=run_id)["JobRun"])["JobRunState"] not in FINAL:
    if time.monotonic() > deadline:
        sys.exit(f"{job}: {run_id} has not ended within {SECONDS} seconds")
    time.sleep(1)
if run["JobRunState"] != "SUCCEEDED":
    try:
        written = logs.get_log_events(logGroupName=f"{run['LogGroupName']}/error", logStreamName=run_id)
        print(*(event["message"] for event in written["events"]), sep="\n", file=sys.stderr)
    except logs.exceptions.ResourceNotFoundException:
        print("It wrote no error log.", file=sys.stderr)
    sys.exit(f"{job}: {run['JobRunState']}: {run.get('ErrorMessage', '')}")
print(f"{job}: SUCCEEDED")
