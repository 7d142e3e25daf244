#!/usr/bin/env bash
# AWS SDK for Java 2 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh fanout
# records` runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../aws" aws-java

# The copy of the pom is the sign that the installation came to its end.
if ! cmp -s "$here/pom.xml" "$target/pom.xml"; then
    rm -rf "$target/lib"
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target/lib" >&2
    cp "$here/pom.xml" "$target/pom.xml"
fi
start_gateway
javac -cp "$target/lib/*" -d "$server/classes" "$here"/*.java
# The tests are short and the cores few: neither the second compiler nor a parallel collector pays. Netty's log goes nowhere.
java -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.util.logging.config.file=/dev/null -cp "$server/classes:$target/lib/*" Main \
    "$clients" "$server" "$results" "$@" </dev/null
