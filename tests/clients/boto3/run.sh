#!/usr/bin/env bash
# boto3 and both AWS CLIs against the Kinesis door; ../README.md has the contract. `run.sh consumers fanout` runs some of the
# cases. Version 2 of the CLI is Debian's, version 1 and boto3 are PyPI's.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_python
install_debian awscli=/usr/bin/aws kcat
forget_aws
export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1
# A change of state that lasts is what waiters are for; limits have a case of their own.
start_server --limits off
"$python" "$here/suite.py" --server "$server" --results "$results" "$@"
