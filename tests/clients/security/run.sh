#!/usr/bin/env bash
# The security of the Kafka door, with real clients: mechanism × client × right and wrong credentials, mutual TLS, access rules
# that leak no names, and the time of a wrong user beside that of a wrong password. README.md has the table.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

"$clients/python/run.sh" --install
install_java
install_node
go build -C "$here/go" -o "$target/go-login" .
javac -cp "$target/lib/*" -d "$target/classes" "$here/Login.java"
installed

run=$(mktemp -d "$target/run.XXXXXX")
pids=()
finish() {
    local code=$?
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    if ((code == 0)); then rm -rf "$run"; else echo "the gateway's log and settings are in $run" >&2; fi
}
trap finish EXIT

# An authority, the gateway's certificate, a client's, and one that a stranger has signed.
authority() { openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$run/$1.key" -out "$run/$1.pem" 2>/dev/null; }
signed() {
    openssl req -newkey rsa:2048 -nodes -subj "$2" -keyout "$run/$1.key" -out "$run/$1.csr" 2>/dev/null
    openssl x509 -req -in "$run/$1.csr" -CA "$run/$3.pem" -CAkey "$run/$3.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$run/$1.pem" 2>/dev/null
}
authority ca
authority stranger
signed server /CN=localhost ca
signed client "/C=US/O=Example/CN=client" ca
signed impostor "/C=US/O=Example/CN=client" stranger
openssl genrsa -out "$run/issuer.key" 2048 2>/dev/null
openssl genrsa -out "$run/other.key" 2048 2>/dev/null

python=$repo/target/clients/python/venv/bin/python
"$python" "$here/tokens.py" jwks "$run/issuer.key" >"$run/jwks.json"
"$python" "$here/tokens.py" serve "$run/jwks.json" "$run/server.pem" "$run/server.key" >"$run/jwks.url" &
pids+=($!)
for _ in $(seq 100); do
    [[ -s $run/jwks.url ]] && break
    sleep 0.1
done
cat >"$run/shardgate.toml" <<TOML
authorizer = true
super-user = ["User:admin", "User:CN=client,O=Example,C=US", "User:token", "User:AKIDEXAMPLE"]
oauth-jwks = "$(<"$run/jwks.url")"
oauth-issuer = "https://issuer.example"
oauth-audience = "kafka"

[[kafka-listeners]]
name = "login"
address = "127.0.0.1:0"
login = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]

[[kafka-listeners]]
name = "login-tls"
address = "127.0.0.1:0"
certificate = "$run/server.pem"
key = "$run/server.key"
login = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]

[[kafka-listeners]]
name = "mutual-tls"
address = "127.0.0.1:0"
certificate = "$run/server.pem"
key = "$run/server.key"
client-ca = "$run/ca.pem"

[[users]]
name = "admin"
password = "admin-secret"

[[users]]
name = "alice"
password = "alice-secret"

[[credentials]]
access-key = "AKIDEXAMPLE"
secret-key = "iam-secret"
TOML
SSL_CERT_FILE=$run/ca.pem "$shardgate_bin" serve --ephemeral --config "$run/shardgate.toml" --topic open:1 --topic secret:1 --kinesis-listener 127.0.0.1:0 \
    --http-listener 127.0.0.1:0 --ports-file "$run/ports.json" >"$run/out" 2>"$run/log" &
pids+=($!)
for _ in $(seq 100); do
    [[ -e $run/ports.json ]] && break
    sleep 0.1
done

# Clients look there for access keys.
forget_aws
"$python" "$here/suite.py" --run "$run" --go "$target/go-login" --kafkajs "$node" "$target/login.js" --java "$target/classes:$target/lib/*"
