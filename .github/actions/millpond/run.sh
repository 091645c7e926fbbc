#!/usr/bin/env bash
# What action.yml does; its inputs come as MILLPOND_TIER, MILLPOND_GATEWAY_PORT, MILLPOND_REGION, MILLPOND_IAM_MODE,
# TERRAFORM, COMMANDS.
set -euo pipefail
millpond=$(realpath "$(dirname "$0")/../../..")
programs=$(cd "$millpond" && realpath --canonicalize-missing "${MILLPOND_HOME:-.millpond}")/programs
variables=(
    "AWS_ENDPOINT_URL=http://127.0.0.1:$MILLPOND_GATEWAY_PORT"
    "AWS_REGION=$MILLPOND_REGION"
    "AWS_DEFAULT_REGION=$MILLPOND_REGION"
    "AWS_ACCESS_KEY_ID=test"
    "AWS_SECRET_ACCESS_KEY=test"
)

stop() { make --directory "$millpond" down; }

trap stop EXIT
make --directory "$millpond" up

export "${variables[@]}" PATH="$programs:$PATH"
if [ -n "$TERRAFORM" ]; then
    terraform -chdir="$TERRAFORM" init -input=false
    terraform -chdir="$TERRAFORM" apply -input=false -auto-approve
fi
if [ -n "$COMMANDS" ]; then
    bash -euo pipefail -c "$COMMANDS"
    exit
fi

# The stack stays: later steps get its address, and what `make down` needs to find it.
trap - EXIT
printf '%s\n' "${variables[@]}" "MILLPOND_TIER=$MILLPOND_TIER" "MILLPOND_GATEWAY_PORT=$MILLPOND_GATEWAY_PORT" \
    "MILLPOND_REGION=$MILLPOND_REGION" "MILLPOND_IAM_MODE=$MILLPOND_IAM_MODE" >>"$GITHUB_ENV"
echo "$programs" >>"$GITHUB_PATH"
echo "endpoint-url=http://127.0.0.1:$MILLPOND_GATEWAY_PORT" >>"$GITHUB_OUTPUT"
