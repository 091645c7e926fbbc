"""The environment that makes LocalStack the engine, the same in a process and in a container."""

from __future__ import annotations

from pathlib import Path

PLUGIN = "millpond"
# LocalStack's own executor of Lambda functions.
DOCKER = "docker"
SERVICES_WE_PROVIDE = (
    "athena",
    "backup",
    "budgets",
    "cloudformation",
    "cloudtrail",
    "cloudwatch",
    "codebuild",
    "codepipeline",
    "dynamodb",
    "dynamodbstreams",
    "ec2",
    "ecr",
    "ecs",
    "events",
    "firehose",
    "glue",
    "iam",
    "kinesis",
    "lakeformation",
    "lambda",
    "logs",
    "pipes",
    "s3",
    "scheduler",
    "secretsmanager",
    "stepfunctions",
    "sts",
)
LAMBDA_IDLE_SECONDS = 300
DIRECTORIES = ("tmp", "cache", "home", "files")


def engine_variables(
    directory: Path, *, region: str, listen: str, advertised_port: int, lambda_executor: str = PLUGIN
) -> dict[str, str]:
    """Variables of the engine's process beyond those of the planes.

    Parameters
    ----------
    directory : Path
        Where it keeps its files; ``DIRECTORIES`` are below it.
    region : str
        Default region.
    listen : str
        Address and port that it binds.
    advertised_port : int
        Port of ``localhost`` in the addresses that it gives to clients.
    lambda_executor : str
        What runs Lambda functions: our plug-in, or LocalStack's ``docker``.
    """
    variables = {
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "XDG_CACHE_HOME": str(directory / "cache"),
        "PYTHONUNBUFFERED": "1",
        "AWS_DEFAULT_REGION": region,
        "GATEWAY_LISTEN": listen,
        "GATEWAY_SERVER": PLUGIN,
        "LOCALSTACK_HOST": f"localhost:{advertised_port}",
        **_directories(directory, is_in_docker=lambda_executor == DOCKER),
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        # Queue addresses that need no name resolution beyond "localhost", and that Terraform can read:
        # /ACCOUNT/NAME.
        "SQS_ENDPOINT_STRATEGY": "off",
        "LAMBDA_RUNTIME_EXECUTOR": lambda_executor,
        "LAMBDA_KEEPALIVE_MS": str(LAMBDA_IDLE_SECONDS * 1000),
        # A resource type that LocalStack does not know fails the stack instead of counting as created.
        "CFN_IGNORE_UNSUPPORTED_RESOURCE_TYPES": "0",
    }
    return variables | {f"PROVIDER_OVERRIDE_{name.upper()}": PLUGIN for name in SERVICES_WE_PROVIDE}


def _directories(directory: Path, *, is_in_docker: bool) -> dict[str, str]:
    """Where LocalStack looks for what belongs to it, and keeps files."""
    if not is_in_docker:
        # Docker leaves a marker also in root directories that it has nothing to do with any more.
        return {"FILESYSTEM_ROOT": str(directory / "files"), "OVERRIDE_IN_DOCKER": "0"}
    # Its Docker executor takes the runtime's program from the image and its own address from Docker; what it
    # would write beside the program is read-only here.
    return {"OVERRIDE_IN_DOCKER": "1", "CUSTOM_SSL_CERT_PATH": str(directory / "files" / "server.pem")}
