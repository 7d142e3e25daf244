#!/usr/bin/env bash
# boto3 and both AWS CLIs against the Kinesis door; ../README.md has the contract. `run.sh consumers fanout` runs some of the
# cases. Version 2 of the CLI is Debian's, version 1 and boto3 are PyPI's.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/boto3
python=$target/venv/bin/python

# The copy of the requirements is the sign that the installation came to its end.
if ! cmp -s "$here/requirements.txt" "$target/installed.txt"; then
    rm -rf "$target/venv"
    python3 -m venv "$target/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$target/installed.txt"
fi
missing=()
[[ -x /usr/bin/aws ]] || missing+=(awscli)
command -v kcat >/dev/null || missing+=(kcat)
if ((${#missing[@]})); then
    apt-get update -qq >&2
    apt-get install -y --no-install-recommends "${missing[@]}" >&2
fi

mkdir -p "$repo/target/clients/results"
# Every run wants a new one.
server=$(mktemp -d "$target/server.XXXXXX")
finish() {
    local code=$?
    "$here/../subject" kill "$server"
    if ((code == 0)); then
        rm -rf "$server"
    else
        echo "the server's data and log are in $server" >&2
    fi
}
trap finish EXIT
# A change of state that lasts is what waiters are for; limits have a case of their own.
SHARDGATE_FLAGS="--limits off ${SHARDGATE_FLAGS:-}" "$here/../subject" start "$server" >/dev/null

# Whatever the machine knows of AWS must not get in.
unset "${!AWS_@}"
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
# Bytecode would land in the tree.
PYTHONDONTWRITEBYTECODE=1 "$python" "$here/suite.py" \
    --server "$server" --results "$repo/target/clients/results" "$@"
