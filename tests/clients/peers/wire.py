"""Requests to a Kinesis endpoint without an SDK's own opinion of them: every byte and header is the case's."""

import base64
import datetime
import http.client
import json
import socket
import ssl
import time
import urllib.parse
import uuid

import cbor
import h2.config
import h2.connection
import h2.events
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer

JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"
TARGET = "Kinesis_20131202."
REGION, ACCOUNT = "us-east-1", "000000000000"
# Longer than anything here may take; a server that has not answered by then does not answer.
TIMEOUT_SECONDS = 60


class Refused(Exception):
    """An operation that the server refused."""

    def __init__(self, answer):
        self.status, self.body = answer.status, answer.value()
        told = self.body if isinstance(self.body, dict) else {}
        self.name = str(told.get("__type", "")).split("#")[-1]
        self.message = told.get("message", told.get("Message"))
        super().__init__(f"{self.status} {self.name or self.body!r:.80} {self.message or ''}".strip())


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}

    def value(self):
        """The body decoded, or its text if it is neither JSON nor CBOR."""
        if not self.body:
            return None
        if self.headers.get("content-type", "").startswith(CBOR):
            return cbor.loads(self.body)
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode(errors="replace")

    def __repr__(self):
        return f"{self.status} {self.body[:120]!r}"


def plain(value):
    """JSON's form of inputs: blobs in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(member) for member in value] if isinstance(value, list) else value


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what}{': ' if what else ''}{actual!r:.160}, not {expected!r:.160}")


def members(output):
    """The names of an output's members; a null is as good as none."""
    return {name for name, value in output.items() if value is not None}


class Client:
    """One endpoint."""

    def __init__(self, host, tls=False, key="local", secret="local"):
        self.host, self.tls, self.credentials = host, tls, Credentials(key, secret)
        self.account = ACCOUNT

    def signed_by(self, key, secret):
        return Client(self.host, self.tls, key, secret)

    def connect(self):
        if self.tls:
            context = ssl._create_unverified_context()
            return http.client.HTTPSConnection(self.host, timeout=TIMEOUT_SECONDS, context=context)
        return http.client.HTTPConnection(self.host, timeout=TIMEOUT_SECONDS)

    def headers(self, method, path, headers, body, sign=True, query=False):
        """The headers of a request with its signature; with `query`, the path is signed instead."""
        request = AWSRequest(method=method, url=f"http://{self.host}{path}", headers=headers, data=body)
        if query:
            SigV4QueryAuth(self.credentials, "kinesis", REGION).add_auth(request)
            parts = urllib.parse.urlsplit(request.url)
            return dict(request.headers), f"{parts.path}?{parts.query}"
        if sign:
            SigV4Auth(self.credentials, "kinesis", REGION).add_auth(request)
        return dict(request.headers), path

    def send(self, method="POST", path="/", headers=None, body=b"", sign=True, query=False):
        """Any request at all; the answer to it."""
        headers, path = self.headers(method, path, dict(headers or {}), body, sign, query)
        connection = self.connect()
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        except (TimeoutError, socket.timeout) as error:
            raise AssertionError(f"no answer within {TIMEOUT_SECONDS} s") from error
        finally:
            connection.close()

    def ask(self, operation, inputs, content=JSON, **options):
        """An operation, whatever comes of it. Bytes are sent as they are."""
        body = (
            inputs if isinstance(inputs, bytes) else cbor.dumps(inputs) if content == CBOR else json.dumps(plain(inputs)).encode()
        )
        headers = {"Content-Type": content, "X-Amz-Target": TARGET + operation} | options.pop("headers", {})
        return self.send(headers=headers, body=body, **options)

    def call(self, operation, content=JSON, **inputs):
        """An operation that has to succeed; its output."""
        answer = self.ask(operation, inputs, content)
        if answer.status != 200:
            raise Refused(answer)
        return answer.value() or {}

    def ready(self, stream, status="ACTIVE"):
        """Waits until the stream is in that state; its summary."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            summary = self.call("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]
            if summary["StreamStatus"] == status:
                return summary
            assert time.monotonic() < deadline, f"stream is {summary['StreamStatus']} after {TIMEOUT_SECONDS} s"
            # AWS answers this 20 times a second at most, to all callers of an account together.
            time.sleep(0.1)

    def stream(self, shards=1, **inputs):
        """A new stream; its name."""
        name = f"s-{uuid.uuid4().hex[:12]}"
        sizes = {"ShardCount": shards} if shards else {}
        self.call("CreateStream", StreamName=name, **sizes, **inputs)
        self.ready(name)
        return name

    def on_demand(self):
        """A new stream in that mode, in the way that asks least of a server."""
        name = self.stream(4)
        self.change("UpdateStreamMode", name, StreamARN=self.arn(name), StreamModeDetails={"StreamMode": "ON_DEMAND"})
        return name

    def arn(self, stream):
        return f"arn:aws:kinesis:{REGION}:{self.account}:stream/{stream}"

    def change(self, operation, stream, **inputs):
        """An operation after which the stream is UPDATING for a while."""
        output = self.call(operation, **inputs)
        self.ready(stream)
        return output

    def split(self, stream, shard="shardId-000000000000", at=None):
        if at is None:
            keys = next(found for found in self.shards(stream) if found["ShardId"] == shard)["HashKeyRange"]
            at = str((int(keys["StartingHashKey"]) + int(keys["EndingHashKey"]) + 1) // 2)
        self.change("SplitShard", stream, StreamName=stream, ShardToSplit=shard, NewStartingHashKey=at)

    def shards(self, stream, **inputs):
        return self.call("ListShards", StreamName=stream, **inputs)["Shards"]

    def put(self, stream, data=b"x", key="a", **inputs):
        return self.call("PutRecord", StreamName=stream, PartitionKey=key, Data=data, **inputs)

    def iterator(self, stream, kind="TRIM_HORIZON", shard="shardId-000000000000", **inputs):
        return self.call("GetShardIterator", StreamName=stream, ShardId=shard, ShardIteratorType=kind, **inputs)["ShardIterator"]

    def get(self, iterator, **inputs):
        return self.call("GetRecords", ShardIterator=iterator, **inputs)

    def read(self, stream, kind="TRIM_HORIZON", **inputs):
        """The data that one GetRecords gives."""
        return [base64.b64decode(record["Data"]) for record in self.get(self.iterator(stream, kind, **inputs))["Records"]]

    def consumer(self, stream, name="reader"):
        """A fan-out consumer, ACTIVE; its ARN."""
        arn = self.call("RegisterStreamConsumer", StreamARN=self.arn(stream), ConsumerName=name)["Consumer"]["ConsumerARN"]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while self.call("DescribeStreamConsumer", ConsumerARN=arn)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
            assert time.monotonic() < deadline, "consumer does not become ACTIVE"
            time.sleep(0.02)
        return arn

    def subscribe(self, consumer, kind="TRIM_HORIZON", shard="shardId-000000000000", content=JSON, **position):
        inputs = {"ConsumerARN": consumer, "ShardId": shard, "StartingPosition": {"Type": kind, **position}}
        return Events(self, inputs, content)


class Events:
    """A subscription over HTTP/1.1: frames as they come."""

    def __init__(self, client, inputs, content=JSON):
        body = cbor.dumps(inputs) if content == CBOR else json.dumps(inputs).encode()
        headers = {"Content-Type": content, "X-Amz-Target": TARGET + "SubscribeToShard"}
        headers, path = client.headers("POST", "/", headers, body)
        self.connection, self.buffer, self.frames = client.connect(), EventStreamBuffer(), []
        self.connection.request("POST", path, body, headers)
        try:
            self.response = self.connection.getresponse()
        except (TimeoutError, socket.timeout) as error:
            raise AssertionError(f"no answer within {TIMEOUT_SECONDS} s") from error
        self.answer = Answer(self.response.status, self.response.getheaders(), b"")
        if self.response.status != 200:
            self.answer.body = self.response.read()
            raise Refused(self.answer)

    def frame(self, seconds=TIMEOUT_SECONDS):
        """The next frame, or None if the stream has ended."""
        deadline = time.monotonic() + seconds
        while not self.frames:
            left = deadline - time.monotonic()
            assert left > 0, f"no frame within {seconds} s"
            if self.connection.sock:
                self.connection.sock.settimeout(left)
            try:
                more = self.response.read1(65536)
            except (TimeoutError, socket.timeout) as error:
                raise AssertionError(f"no frame within {seconds} s") from error
            if not more:
                return None
            self.buffer.add_data(more)
            self.frames.extend(self.buffer)
        return self.frames.pop(0)

    def event(self, seconds=TIMEOUT_SECONDS):
        """The payload of the next event behind the initial response."""
        while True:
            frame = self.frame(seconds)
            assert frame is not None, "the stream ended"
            if frame.headers.get(":event-type") != "initial-response":
                break
        if frame.headers.get(":message-type") == "exception":
            raise AssertionError(f"exception {frame.headers.get(':exception-type')}")
        if "cbor" in frame.headers.get(":content-type", "cbor" if frame.payload[:1] != b"{" else ""):
            return cbor.loads(frame.payload)
        return json.loads(frame.payload)

    def records(self, count):
        """The data of so many records, over as many events as it takes."""
        found, deadline = [], time.monotonic() + TIMEOUT_SECONDS
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} records of {count}"
            found += [base64.b64decode(record["Data"]) for record in self.event()["Records"]]
        return found

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ask_http2(client, operation, inputs, alpn=False):
    """An operation over HTTP/2: with prior knowledge, or agreed upon in the TLS handshake."""
    host, port = client.host.split(":")
    body = json.dumps(plain(inputs)).encode()
    headers = {"Content-Type": JSON, "X-Amz-Target": TARGET + operation}
    headers, path = client.headers("POST", "/", headers, body)
    with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as raw:
        if alpn:
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2", "http/1.1"])
            raw = context.wrap_socket(raw, server_hostname=host)
            equal(raw.selected_alpn_protocol(), "h2", "ALPN")
        connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        connection.initiate_connection()
        scheme = "https" if alpn else "http"
        pseudo = [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", client.host)]
        connection.send_headers(1, pseudo + [(name.lower(), value) for name, value in headers.items()])
        connection.send_data(1, body, end_stream=True)
        raw.sendall(connection.data_to_send())
        status, got, found = None, [], b""
        while True:
            try:
                data = raw.recv(65536)
            except (TimeoutError, socket.timeout) as error:
                raise AssertionError(f"no answer within {TIMEOUT_SECONDS} s") from error
            assert data, "the connection was closed"
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    status, got = int(dict(event.headers)[":status"]), event.headers
                elif isinstance(event, h2.events.DataReceived):
                    found += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, 1)
                elif isinstance(event, h2.events.StreamEnded):
                    return Answer(status, got, found)
                elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                    raise AssertionError("the stream was reset")
            raw.sendall(connection.data_to_send())


def early_in_a_second():
    """Waits until half of the second is left, so that whole seconds cannot tell what follows apart."""
    while now() % 1 > 0.5:
        time.sleep(0.01)


def now():
    return datetime.datetime.now(datetime.timezone.utc).timestamp()
