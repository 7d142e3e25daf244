#!/usr/bin/env bash
# Our own cases of AWS's answers; README.md tells what they are. `run.sh` asks the gateway and compares with TABLE.md; `run.sh
# --peers` asks kinesis-mock, moto and ferrokinesis too, and writes TABLE.md anew; `run.sh --install-peers` only installs those.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../suite"
python=$target/venv/bin/python
kinesis_mock=0.6.2
kinesalite=3.3.3
ferrokinesis=0.7.0

# install FILE: the copy of the file is the sign that the installation came to its end.
install() {
    if ! cmp -s "$here/$1" "$target/$1"; then
        [[ -x $python ]] || python3 -m venv "$target/venv"
        "$python" -m pip install --quiet --disable-pip-version-check -r "$here/$1"
        cp "$here/$1" "$target/$1"
    fi
}

install_peers() {
    install peers.txt
    if [[ "$(cat "$target/node/installed" 2>/dev/null)" != "$kinesis_mock $kinesalite" ]]; then
        mkdir -p "$target/node"
        # The benchmark measures kinesalite, whose 17 operations are too few for the table.
        npm install --silent --no-audit --no-fund --prefix "$target/node" "kinesis-local@$kinesis_mock" "kinesalite@$kinesalite" >&2
        echo "$kinesis_mock $kinesalite" >"$target/node/installed"
    fi
    if ! grep -q "\"ferrokinesis $ferrokinesis " "$target/.crates.toml" 2>/dev/null; then
        CARGO_TARGET_DIR=$target/build cargo install --quiet --locked --features tls --root "$target" \
            --version "$ferrokinesis" ferrokinesis >&2
        rm -rf "$target/build"
    fi
}

mkdir -p "$target/runs"
install requirements.txt
case " $* " in
*" --install-peers "*)
    install_peers
    exit
    ;;
*" --peers "* | *" --subject "*) install_peers ;;
esac
installed
forget_aws
"$python" "$here/suite.py" --results "$target/runs" "$@" | tee "$results/peers.txt"
