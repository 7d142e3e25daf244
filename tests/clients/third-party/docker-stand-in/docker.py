"""What aiokpl's fixture asks of Docker's package: it runs one image, a mock of Kinesis. This runs the gateway on the ports that the
image would have had."""

import http.server
import os
import subprocess
import tempfile
import threading
from pathlib import Path

IMAGE = "ghcr.io/etspaceman/kinesis-mock:"
KINESIS, HEALTH = "4567/tcp", "4568/tcp"


def from_env():
    return Client()


class Client:
    def __init__(self):
        self.containers = Containers()

    def ping(self):
        return True


class Containers:
    def run(self, image, *, detach, remove, ports, environment):
        if not image.startswith(IMAGE) or set(ports) != {KINESIS, HEALTH} or not (detach and remove):
            raise NotImplementedError(f"{image} with ports {ports}")
        return Gateway(ports[KINESIS], ports[HEALTH])


class Gateway:
    def __init__(self, port, health_port):
        self.directory = Path(tempfile.mkdtemp(dir=os.environ["GATEWAY_DIRECTORY"]))
        ports = self.directory / "ports.json"
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["SHARDGATE_BIN"], "serve", "--data-dir", self.directory / "data", "--kinesis-listener", f"127.0.0.1:{port}",
                 "--tls-self-signed", "true", "--limits", "off", "--kafka-listener", "127.0.0.1:0", "--http-listener", "127.0.0.1:0",
                 "--ports-file", ports],
                stdout=log, stderr=log)
        # The image tells under another path than the gateway that it serves.
        self.health = http.server.ThreadingHTTPServer(("127.0.0.1", health_port), health_of(ports))
        threading.Thread(target=self.health.serve_forever, daemon=True).start()

    def stop(self, *, timeout):
        self.health.shutdown()
        self.health.server_close()
        self.process.terminate()
        self.process.wait(timeout)


def health_of(ports):
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/healthcheck" and ports.exists() else 503)
            self.end_headers()

        def log_message(self, *_):
            pass

    return Health
