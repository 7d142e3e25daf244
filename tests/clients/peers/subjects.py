"""The servers that the suite asks, each set up as its own documentation says and as near to AWS as it can be.

Each starts up to two processes. `open` has no limits; `strict` has limits, a quota of 40 shards and knows who may ask, as far
as the server offers that, and is the same process where it offers none. Streams and consumers change their states within 200 ms.
"""

import json
import os
import random
import re
import socket
import subprocess
import time
from importlib import metadata
from pathlib import Path

from wire import ACCOUNT, Client

HERE = Path(__file__).parent
DELAY_MILLISECONDS = 200
SHARD_QUOTA = 40
# What the strict process knows, where it can know anybody.
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def free_port():
    """Below the range from which the kernel serves outgoing connections."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


class Subject:
    """A server; `open`, `strict` and `tls` are clients of it, the last None if it speaks no TLS."""

    name = version = ""

    def __init__(self, directory):
        self.directory, self.processes = directory, []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def launch(self, name, command, **environment):
        """Starts a process whose output goes to a file."""
        with open(self.directory / f"{name}.log", "w") as log:
            environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")} | environment
            process = subprocess.Popen(
                list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=self.directory
            )
        self.processes.append(process)
        return process

    def await_port(self, port):
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    return
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > deadline:
                logs = "\n".join(log.read_text()[-2000:] for log in self.directory.glob("*.log"))
                raise RuntimeError(f"{self.name} does not serve: {logs}")
            time.sleep(0.05)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Shardgate(Subject):
    name = "shardgate"

    def start(self):
        program = os.environ.get("SHARDGATE_BIN") or HERE.parents[2] / "target/release/shardgate"
        self.version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        self.open = Client(self.serve(program, "open", "--limits", "off"))
        config = self.directory / "strict.toml"
        config.write_text(f'[[credentials]]\naccess-key = "{KEY}"\nsecret-key = "{SECRET}"\n')
        self.strict = Client(
            self.serve(program, "strict", "--config", config, "--shard-quota", SHARD_QUOTA), key=KEY, secret=SECRET
        )
        self.tls = Client(self.open.host, tls=True)

    def serve(self, program, name, *flags):
        ports = self.directory / f"{name}.json"
        process = self.launch(
            name,
            [
                program,
                "serve",
                "--data-dir",
                self.directory / name,
                "--kafka-listener",
                "127.0.0.1:0",
                "--kinesis-listener",
                "127.0.0.1:0",
                "--http-listener",
                "127.0.0.1:0",
                "--ports-file",
                ports,
                "--state-change-delay",
                DELAY_MILLISECONDS,
                "--tls-self-signed",
                "true",
                *flags,
            ],
        )
        deadline = time.monotonic() + 60
        while not (ports.exists() and ports.stat().st_size):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the gateway does not serve: {(self.directory / f'{name}.log').read_text()[-2000:]}")
            time.sleep(0.02)
        return json.loads(ports.read_text())["kinesis"]


class KinesisMock(Subject):
    name = "kinesis-mock"

    def start(self):
        package = HERE.parents[2] / "target/clients/peers/node/node_modules/kinesis-local"
        self.version = json.loads((package / "package.json").read_text())["version"]
        self.open, self.tls = self.serve(package, "open", 5000)
        self.strict, _ = self.serve(package, "strict", SHARD_QUOTA)

    def serve(self, package, name, shards):
        plain, tls = free_port(), free_port()
        delays = [
            "CREATE_STREAM",
            "DELETE_STREAM",
            "REGISTER_STREAM_CONSUMER",
            "START_STREAM_ENCRYPTION",
            "STOP_STREAM_ENCRYPTION",
            "DEREGISTER_STREAM_CONSUMER",
            "MERGE_SHARDS",
            "SPLIT_SHARD",
            "UPDATE_SHARD_COUNT",
            "UPDATE_STREAM_MODE",
        ]
        # It looks for its certificate in the directory where it runs.
        self.launch(
            name,
            ["node", package / "main.js"],
            KINESIS_MOCK_PLAIN_PORT=str(plain),
            KINESIS_MOCK_TLS_PORT=str(tls),
            KINESIS_MOCK_CERT_PATH=str(package / "server.json"),
            SHARD_LIMIT=str(shards),
            ON_DEMAND_STREAM_COUNT_LIMIT="500",
            AWS_ACCOUNT_ID=ACCOUNT,
            LOG_LEVEL="ERROR",
            **{f"{delay}_DURATION": f"{DELAY_MILLISECONDS}ms" for delay in delays},
        )
        self.await_port(plain)
        return Client(f"127.0.0.1:{plain}"), Client(f"127.0.0.1:{tls}", tls=True)


class Moto(Subject):
    name, version = "moto", ""

    def start(self):
        self.version = metadata.version("moto")
        program = HERE.parents[2] / "target/clients/peers/venv/bin/moto_server"
        port, tls = free_port(), free_port()
        self.launch("open", [program, "-H", "127.0.0.1", "-p", port], MOTO_ACCOUNT_ID=ACCOUNT)
        self.launch("tls", [program, "-H", "127.0.0.1", "-p", tls, "-s"], MOTO_ACCOUNT_ID=ACCOUNT)
        self.await_port(port)
        self.await_port(tls)
        self.open = self.strict = Client(f"127.0.0.1:{port}")
        self.tls = Client(f"127.0.0.1:{tls}", tls=True)


class Ferrokinesis(Subject):
    name = "ferrokinesis"

    def start(self):
        root = HERE.parents[2] / "target/clients/peers"
        program = root / "bin/ferrokinesis"
        # It does not tell its version; cargo does.
        self.version = re.search(r'"ferrokinesis ([0-9.]+) ', (root / ".crates.toml").read_text())[1]
        subprocess.run(
            [program, "generate-cert", "--cert-out", "cert.pem", "--key-out", "key.pem"],
            check=True,
            capture_output=True,
            cwd=self.directory,
        )
        self.open = self.serve(program, "open", "--shard-limit", 5000)
        self.strict = self.serve(program, "strict", "--shard-limit", SHARD_QUOTA, FERROKINESIS_ENFORCE_LIMITS="true")
        self.tls = self.serve(program, "tls", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
        self.tls.tls = True

    def serve(self, program, name, *flags, **environment):
        port, delay = free_port(), DELAY_MILLISECONDS
        # By default it refuses bodies over 7 MiB, less than a PutRecords of 10 MiB needs in base64.
        self.launch(
            name,
            [
                program,
                "--port",
                port,
                "--account-id",
                ACCOUNT,
                "--region",
                "us-east-1",
                "--create-stream-ms",
                delay,
                "--delete-stream-ms",
                delay,
                "--update-stream-ms",
                delay,
                "--max-request-body-mb",
                16,
                "--retention-check-interval-secs",
                1,
                *flags,
            ],
            **environment,
        )
        self.await_port(port)
        return Client(f"127.0.0.1:{port}")


OURS = Shardgate
PEERS = [KinesisMock, Moto, Ferrokinesis]
