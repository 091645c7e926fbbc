"""What happens around a job script in its interpreter, so that the script itself stays untouched.

Python imports this module at start-up because its directory is on the ``PYTHONPATH`` of a run. The
variables it acts on are set for the script's own interpreter and taken away at once, so that children
(Spark's Python workers among them) run as they would without it.

``MILLPOND_GLUE_FAILURE_FILE``
    Where to write the exception that ends the script, for the run's ``ErrorMessage``.
    For a Spark script, ``PYSPARK_GATEWAY_PORT`` names its JVM, which gets the run's Spark properties and
    credentials over the gateway before the script begins.
``MILLPOND_GLUE_MEASURES_FILE``
    Where to write what Spark has counted when the script ends, for a run with metrics.
``MILLPOND_GLUE_STDERR``
    The run's error log, for a Spark script that ``spark-submit`` starts: that would make one stream of both.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import endpoint_of_the_stack


def _record_failures(path: str) -> None:
    import json

    show = sys.excepthook

    def record(kind: Any, value: Any, traceback: Any) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as out:
            json.dump({"type": kind.__name__, "message": str(value)}, out)
        show(kind, value, traceback)

    sys.excepthook = record


def _stop_spark_at_exit(measures: str) -> None:
    import atexit

    owner = os.getpid()

    def stop() -> None:
        pyspark = sys.modules.get("pyspark")
        context = getattr(getattr(pyspark, "SparkContext", None), "_active_spark_context", None)
        if context is not None and os.getpid() == owner:
            try:
                if measures:
                    import spark_measures

                    spark_measures.write(context, measures)
            finally:
                context.stop()

    atexit.register(stop)


def _write_errors_to(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    os.close(log)


def _properties(conf_dir: str) -> dict[str, str]:
    with open(os.path.join(conf_dir, "spark-defaults.conf"), encoding="utf-8") as lines:  # noqa: PTH118, PTH123
        pairs = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
        return {pair[0]: pair[1].strip() if len(pair) > 1 else "" for pair in pairs}


def _configure_jvm() -> None:
    from py4j.clientserver import ClientServer, JavaParameters, PythonParameters
    from py4j.protocol import Py4JError

    # Where another program starts the JVM, SPARK_CONF_DIR is that one's.
    conf_dir = os.environ.pop("MILLPOND_SPARK_CONF_DIR", "") or os.environ["SPARK_CONF_DIR"]
    properties = _properties(conf_dir)
    # The JVM may be older than the run: it has neither its environment nor its working directory. These are
    # the names that the AWS SDKs for Java read; the secret key's differs between versions 1 and 2.
    for option, variable in {
        "accessKeyId": "AWS_ACCESS_KEY_ID",
        "secretKey": "AWS_SECRET_ACCESS_KEY",
        "secretAccessKey": "AWS_SECRET_ACCESS_KEY",
        "sessionToken": "AWS_SESSION_TOKEN",
        "region": "AWS_REGION",
        "endpointUrl": "AWS_ENDPOINT_URL",
    }.items():
        properties[f"aws.{option}"] = os.environ[variable]
    for variable, value in os.environ.items():
        if variable.startswith("AWS_") or variable == "PYTHONPATH":
            properties[f"spark.executorEnv.{variable}"] = value
    properties["user.dir"] = properties["derby.system.home"] = os.getcwd()  # noqa: PTH109
    gateway = ClientServer(
        java_parameters=JavaParameters(
            port=int(os.environ["PYSPARK_GATEWAY_PORT"]), auth_token=os.environ["PYSPARK_GATEWAY_SECRET"]
        ),
        python_parameters=PythonParameters(port=0, eager_load=False),
    )
    try:
        system = gateway.jvm.java.lang.System
        for key, value in properties.items():
            system.setProperty(key, value)
    except (Py4JError, OSError) as error:
        # An exception here would only be printed, and the script would run on a JVM without its settings.
        sys.stderr.write(f"Spark's JVM does not answer: {error}\n")
        os._exit(1)
    gateway.close()


if os.environ.get(endpoint_of_the_stack.VARIABLE):
    endpoint_of_the_stack.install()
_failure_file = os.environ.pop("MILLPOND_GLUE_FAILURE_FILE", "")
if _failure_file:
    _record_failures(_failure_file)
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        if _stderr := os.environ.pop("MILLPOND_GLUE_STDERR", ""):
            _write_errors_to(_stderr)
        _configure_jvm()
        _stop_spark_at_exit(os.environ.pop("MILLPOND_GLUE_MEASURES_FILE", ""))
