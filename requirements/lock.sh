#!/bin/sh
# Locks every environment anew: exact versions with hashes, no registry address.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.millpond/uv/bin/uv}
compile() {
    "$uv" pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url "$@"
}
compile --python-version 3.13 --extra harness --extra build pyproject.toml requirements/lake.in -o requirements/harness.txt
compile --python-version 3.13 --extra harness --extra build --extra dev pyproject.toml requirements/lake.in -o requirements/dev.txt
compile --python-version 3.13 --constraints requirements/dev.txt requirements/console.in -o requirements/console.txt
# The settings for uv in pyproject.toml narrow the harness to its own Python: not meant for these.
compile --no-config --python-version 3.11 requirements/glue-spark.in -o requirements/glue-spark.txt
# Glue versions beside 5.1, and the modules that Glue provides: exactly what is documented, which does not always
# agree with itself.
for one in 6.0:3.13 5.1:3.11 5.0:3.11 4.0:3.10; do
    for name in "glue-${one%:*}" "glue-${one%:*}-modules"; do
        [ "$name" = glue-5.1 ] || compile --no-config --no-deps --python-version "${one#*:}" "requirements/$name.in" -o "requirements/$name.txt"
    done
done
compile --no-config --python-version 3.9 --override requirements/glue-shell-analytics.override requirements/glue-shell-analytics.in -o requirements/glue-shell-analytics.txt
compile --no-config --python-version 3.9 requirements/glue-shell.in -o requirements/glue-shell.txt
# The wheels that the job brings to AWS, where its Python is 3.9: pip reads this one, by whatever Python it runs on.
"$uv" pip compile --quiet --no-config --python-version 3.9 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --no-emit-index-url --no-annotate -c requirements/glue-shell.txt requirements/glue-shell.in -o requirements/glue-shell-3.9.txt
compile --no-config --python-version 3.9 requirements/lambda.in -o requirements/lambda.txt
compile --no-config --python-version 3.13 requirements/lambda-vendored.in -c requirements/lambda.txt -o requirements/lambda-vendored.txt
compile --no-config --python-version 3.13 requirements/bench.in -o requirements/bench.txt
compile --no-config --python-version 3.11 requirements/bench-ingestr.in -o requirements/bench-ingestr.txt
compile --no-config --python-version 3.11 requirements/checkov.in -o requirements/checkov.txt
compile --no-config --python-version 3.9 requirements/build.in -o requirements/build.txt
compile --no-config --python-version 3.9 requirements/pytest-millpond.in -o requirements/pytest-millpond.txt
compile --no-config --python-version 3.13 requirements/console-tests.in -o requirements/console-tests.txt
compile --no-config --python-version 3.13 requirements/athena-clients.in -o requirements/athena-clients.txt
compile --no-config --python-version 3.11 requirements/notebook.in -o requirements/notebook.txt
for name in uv java node18 node20 node22 node24; do
    compile --no-config --no-deps --python-version 3.9 "requirements/$name.in" -o "requirements/$name.txt"
done
compile --no-config --no-deps --python-version 3.13 requirements/jars.in -o requirements/jars.txt
compile --no-config --no-deps --python-version 3.13 requirements/java-trino.in -o requirements/java-trino.txt
compile --no-config --no-deps --constraints requirements/harness.txt --python-version 3.13 requirements/engine.in -o requirements/engine.txt
# Jars: needs the toolchain (Java, and the Ivy that PySpark brings).
"${PYTHON:-.millpond/venvs/harness/bin/python}" -m millpond.toolchain.maven "${JAVA:-java}" .millpond/venvs/glue-spark/lib/python3.11/site-packages/pyspark/jars
