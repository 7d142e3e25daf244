"""HTTP, its headers, signatures, and how bodies are read."""

import base64
import re
import uuid
import zlib

import boto3
import cbor
from botocore.config import Config
from case import (
    KINESALITE,
    LOCALSTACK,
    MODEL,
    OtherWords,
    check_bare,
    check_refusal,
    group,
    refused,
)
from wire import ACCOUNT, CBOR, JSON, TARGET, ask_http2, equal, now

case = group("Transport")
SIGNED = {"Content-Type": JSON, "X-Amz-Target": TARGET + "ListStreams"}


def xml(name, message):
    return f"<{name}>\n  <Message>{message}</Message>\n</{name}>\n"


def check_raw(answer, status, body):
    """Status and body as they are; a body that differs in white space alone is other words."""
    equal(answer.status, status, "status")
    found = answer.body.decode(errors="replace")
    if found != body:
        name = re.search(r"\w+Exception", body)
        if name and name[0] in found:
            raise OtherWords(found[:200])
        raise AssertionError(f"{status} {found:.160}")


@case("An operation without output", "200 with an empty body", f"{KINESALITE} createStream.js")
def _(s):
    answer = s.open.ask("AddTagsToStream", {"StreamName": s.shared, "Tags": {"a": "b"}})
    equal((answer.status, answer.body), (200, b""))


@case("Headers of an answer", "x-amzn-RequestId is a UUID, x-amz-id-2 base64 of 64 to 80 bytes", f"{KINESALITE} connection.js")
def _(s):
    headers = s.open.ask("ListStreams", {}).headers
    uuid.UUID(headers.get("x-amzn-requestid", "absent"))
    assert 64 <= len(base64.b64decode(headers.get("x-amz-id-2", ""))) <= 80, f"x-amz-id-2 is {headers.get('x-amz-id-2')!r}"


@case("Content type of an answer", "that of the request", f"{KINESALITE} connection.js")
def _(s):
    equal(s.open.ask("ListStreams", {}).headers.get("content-type"), JSON)


@case("A checksum, if there is one", "x-amz-crc32 is the CRC-32 of the body", "botocore, data/_retry.json")
def _(s):
    answer = s.open.ask("ListStreams", {})
    equal(int(answer.headers.get("x-amz-crc32", zlib.crc32(answer.body))), zlib.crc32(answer.body))


@case("The path of a request", "does not matter", f"{KINESALITE} index.js")
def _(s):
    equal(s.open.ask("ListStreams", {}, path="/any/where").status, 200)


@case("Origin in a request", "Access-Control-Allow-Origin: * and six exposed headers", f"{KINESALITE} connection.js")
def _(s):
    headers = s.open.ask("ListStreams", {}, headers={"Origin": "http://a.example"}).headers
    allowed = headers.get("access-control-allow-origin")
    assert allowed in ("*", "http://a.example"), allowed
    exposed = "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date"
    if (allowed, headers.get("access-control-expose-headers")) != ("*", exposed):
        raise OtherWords(f"allows {allowed}, exposes {headers.get('access-control-expose-headers')}")


@case("CORS preflight", "200, what was asked for is allowed, for 172800 s", f"{KINESALITE} connection.js")
def _(s):
    asked = {"Origin": "x", "Access-Control-Request-Headers": "a, b", "Access-Control-Request-Method": "POST"}
    answer = s.open.send("OPTIONS", headers=asked, sign=False)
    headers = answer.headers
    equal((answer.status, answer.body), (200, b""))
    equal((headers.get("access-control-allow-origin"), headers.get("access-control-max-age")), ("*", "172800"))
    equal((headers.get("access-control-allow-headers"), headers.get("access-control-allow-methods")), ("a, b", "POST"))


@case("GET", "403, AccessDeniedException in XML", f"{KINESALITE} connection.js")
def _(s):
    check_raw(s.open.send("GET"), 403, xml("AccessDeniedException", "Unable to determine service/operation name to be authorized"))


@case("GET, unsigned", "403, AccessDeniedException in XML: the method comes before the signature", f"{KINESALITE} index.js")
def _(s):
    answer = s.open.send("GET", sign=False)
    check_raw(answer, 403, xml("AccessDeniedException", "Unable to determine service/operation name to be authorized"))


@case("Neither body nor content type", "UnknownOperationException in CBOR", f"{KINESALITE} index.js")
def _(s):
    answer = s.open.send()
    check_bare(answer, "UnknownOperationException")
    equal(answer.headers.get("content-type"), CBOR)


@case("A body without content type and target", "403, AccessDeniedException in XML", f"{KINESALITE} connection.js")
def _(s):
    answer = s.open.send(body=b"{}")
    check_raw(answer, 403, xml("AccessDeniedException", "Unable to determine service/operation name to be authorized"))


@case("Content type application/x-amz-json-1.0", "404, UnknownOperationException in XML", f"{KINESALITE} index.js")
def _(s):
    answer = s.open.ask("ListStreams", {}, content="application/x-amz-json-1.0")
    check_raw(answer, 404, "<UnknownOperationException/>\n")


@case("Content type application/json", "404, the old envelope with UnknownOperationException", f"{KINESALITE} index.js")
def _(s):
    answer = s.open.ask("ListStreams", {}, content="application/json")
    equal(answer.status, 404, "status")
    equal(answer.value(), {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"})


@case("Content type application/json and no JSON", "400, the old envelope with SerializationException", f"{KINESALITE} index.js")
def _(s):
    answer = s.open.ask("ListStreams", b"hello", content="application/json")
    equal(answer.status, 400, "status")
    equal(answer.value(), {"Output": {"__type": "com.amazon.coral.service#SerializationException"}, "Version": "1.0"})


@case("No body", "SerializationException without a message", f"{KINESALITE} connection.js")
def _(s):
    check_bare(s.open.send(headers=SIGNED), "SerializationException")


@case("A body that is no JSON", "SerializationException without a message", f"{KINESALITE} connection.js")
def _(s):
    check_bare(s.open.ask("ListStreams", b"hello"), "SerializationException")


@case("No target", "UnknownOperationException without a message", f"{KINESALITE} connection.js")
def _(s):
    check_bare(s.open.send(headers={"Content-Type": JSON}, body=b"{}"), "UnknownOperationException")


@case("An operation that there is not", "UnknownOperationException without a message", f"{KINESALITE} connection.js")
def _(s):
    check_bare(s.open.ask("ListStream", {}), "UnknownOperationException")


@case(
    "An operation that there is not, unsigned",
    "UnknownOperationException: the signature comes later",
    f"{KINESALITE} connection.js",
)
def _(s):
    check_refusal(s.open.ask("ListStream", {}, sign=False), "UnknownOperationException")


@case("Members that the operation does not take", "ignored", f"{KINESALITE} validations/index.js")
def _(s):
    equal(s.open.ask("DescribeStreamSummary", {"StreamName": s.shared, "Other": [1]}).status, 200)


@case("A member that is null", "as if it were not there", f"{KINESALITE} validations/index.js")
def _(s):
    equal(s.open.ask("ListStreams", {"Limit": None, "NextToken": None}).status, 200)


@case(
    "HTTP/2 with prior knowledge, cleartext",
    "the same answers (SDK for Java 2: its asynchronous client)",
    f"{MODEL}, protocolSettings.h2",
)
def _(s):
    answer = ask_http2(s.open, "DescribeStreamSummary", {"StreamName": s.shared})
    equal((answer.status, answer.value()["StreamDescriptionSummary"]["StreamName"]), (200, s.shared))


@case("HTTP/2 over TLS, by ALPN", "the same answers", f"{MODEL}, protocolSettings.h2")
def _(s):
    answer = ask_http2(s.tls, "ListStreams", {}, alpn=True)
    equal((answer.status, "StreamNames" in answer.value()), (200, True))


@case("HTTP/1.1 over TLS", "the same answers (KPL speaks nothing else)", "KPL 1.0.7, core/kinesis_producer.cc")
def _(s):
    equal(s.tls.ask("ListStreams", {}).status, 200)


@case(
    "PutMetricData beside Kinesis, compressed with gzip",
    "200 (boto3 compresses from 10 KiB on; KCL and KPL send metrics)",
    "botocore 1.44.5, requestcompression",
)
def _(s):
    cloudwatch = boto3.client(
        "cloudwatch",
        endpoint_url=f"http://{s.open.host}",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"max_attempts": 1}),
    )
    data = [{"MetricName": f"metric-{n}", "Value": n, "Dimensions": [{"Name": "a", "Value": "b" * 50}]} for n in range(200)]
    equal(cloudwatch.put_metric_data(Namespace="n", MetricData=data)["ResponseMetadata"]["HTTPStatusCode"], 200)


case = group("Signatures")


@case("No signature", "MissingAuthenticationTokenException, Missing Authentication Token", f"{KINESALITE} connection.js")
def _(s):
    check_refusal(s.open.ask("ListStreams", {}, sign=False), "MissingAuthenticationTokenException", "Missing Authentication Token")


@case("Authorization: X", "IncompleteSignatureException that names all four things missing", f"{KINESALITE} connection.js")
def _(s):
    answer = s.open.ask("ListStreams", {}, sign=False, headers={"Authorization": "X"})
    check_refusal(
        answer,
        "IncompleteSignatureException",
        (
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization "
            "header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' "
            "header. Authorization=X"
        ),
    )


@case("A signature in the header and one in the query", "InvalidSignatureException, Found both …", f"{KINESALITE} connection.js")
def _(s):
    answer = s.open.ask("ListStreams", {}, sign=False, path="/?X-Amz-Algorithm", headers={"Authorization": "X"})
    check_refusal(
        answer,
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )


@case(
    "A signature in the query, with nothing in it",
    "IncompleteSignatureException that names all five things missing",
    f"{KINESALITE} connection.js",
)
def _(s):
    missing = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"]
    words = "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
    answer = s.open.ask("ListStreams", {}, sign=False, path="/?X-Amz-Algorithm")
    check_refusal(answer, "IncompleteSignatureException", f"{words}Re-examine the query-string parameters.")


@case("A signature in the query", "accepted", f"{KINESALITE} connection.js")
def _(s):
    equal(s.open.ask("ListStreams", {}, query=True).status, 200)


@case(
    "A wrong secret key",
    "InvalidSignatureException, The request signature we calculated does not match …",
    "API reference, common errors",
)
def _(s):
    answer = s.strict.signed_by(s.strict.credentials.access_key, "wrong").ask("ListStreams", {})
    check_refusal(
        answer, "InvalidSignatureException", re.compile("The request signature we calculated does not match.*", re.DOTALL)
    )


@case(
    "An unknown access key",
    "UnrecognizedClientException, The security token included in the request is invalid.",
    "API reference, common errors",
)
def _(s):
    answer = s.strict.signed_by("AKIDUNKNOWN", "wrong").ask("ListStreams", {})
    check_refusal(answer, "UnrecognizedClientException", "The security token included in the request is invalid.")


@case(
    "An unsigned request that breaks a constraint",
    "MissingAuthenticationTokenException: constraints come later",
    f"{KINESALITE} index.js",
)
def _(s):
    check_refusal(s.open.ask("CreateStream", {}, sign=False), "MissingAuthenticationTokenException")


case = group("CBOR")


@case("PutRecord and GetRecords", "answers in CBOR, Data is a byte string", f"{LOCALSTACK}, validated")
def _(s):
    stream = s.open.stream()
    put = s.open.ask("PutRecord", {"StreamName": stream, "PartitionKey": "a", "Data": b"\x00\xff"}, CBOR)
    equal((put.status, put.headers.get("content-type")), (200, CBOR))
    inputs = {"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    token = s.open.call("GetShardIterator", CBOR, **inputs)["ShardIterator"]
    equal(s.open.call("GetRecords", CBOR, ShardIterator=token)["Records"][0]["Data"], b"\x00\xff")


@case(
    "A timestamp in an answer", "tag 1 with whole milliseconds", f"{LOCALSTACK}, validated; SDK for Java 2, SdkCborGenerator.java"
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    token = s.open.iterator(stream)
    answer = s.open.ask("GetRecords", {"ShardIterator": token}, CBOR)
    equal(answer.status, 200)
    told = answer.value()["Records"][0]["ApproximateArrivalTimestamp"]
    assert isinstance(told, cbor.Tag) and told.number == 1 and isinstance(told.value, int), repr(told)
    assert abs(told.value / 1000 - now()) < 60, f"{told} is no time in milliseconds"


@case(
    "A timestamp in a request",
    "tag 1 with whole milliseconds is understood",
    "floci-io/floci#2368, captured from the SDK for Java 2",
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    hour_ago = cbor.Tag(1, int((now() - 3600) * 1000))
    body = {"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": hour_ago}
    token = s.open.call("GetShardIterator", CBOR, **body)["ShardIterator"]
    equal(len(s.open.get(token)["Records"]), 1, "records")


@case("A refusal", "the same exception in CBOR", f"{LOCALSTACK}, validated")
def _(s):
    answer = s.open.ask("DescribeStream", {"StreamName": "none"}, CBOR)
    equal(answer.headers.get("content-type"), CBOR)
    check_refusal(answer, "ResourceNotFoundException", f"Stream none under account {ACCOUNT} not found.")


@case("Maps of unknown length", "understood (the SDK for Java begins with one)", "SDK for Java 2, SdkCborGenerator.java")
def _(s):
    body = b"\xbf" + cbor.dumps("StreamName") + cbor.dumps(s.shared) + b"\xff"
    answer = s.open.ask("DescribeStreamSummary", body, CBOR)
    equal((answer.status, answer.value()["StreamDescriptionSummary"]["StreamName"]), (200, s.shared))


@case("A body that is no CBOR", "SerializationException", f"{KINESALITE} connection.js")
def _(s):
    check_refusal(s.open.ask("ListStreams", b"\x1f", CBOR), "SerializationException")


case = group("Types")
NUMBER = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"


def serialization(name, operation, inputs, message):
    @case(name, f"SerializationException, {message}", f"{KINESALITE} validations/index.js")
    def _(s):
        answer = s.open.ask(operation, {"StreamName": s.shared} | inputs)
        check_refusal(answer, "SerializationException", message)
        if "Message" not in answer.value():
            raise OtherWords("the member is message, not Message")


serialization(
    "true where a string belongs",
    "DescribeStream",
    {"StreamName": True},
    "class java.lang.Boolean can not be converted to an String",
)
serialization(
    "A number where a string belongs", "DescribeStream", {"StreamName": 23}, f"{NUMBER} can not be converted to an String"
)
serialization("A list where a string belongs", "DescribeStream", {"StreamName": []}, "Start of list found where not expected")
serialization(
    "A map where a string belongs", "DescribeStream", {"StreamName": {}}, "Start of structure or map found where not expected."
)
serialization(
    "A string where an integer belongs",
    "DescribeStream",
    {"Limit": "23"},
    "class java.lang.String can not be converted to an Integer",
)
serialization("A string where a list belongs", "RemoveTagsFromStream", {"TagKeys": "a"}, "Expected list or null")
serialization("A string where a map belongs", "AddTagsToStream", {"Tags": "a"}, "Expected map or null")
serialization("A string where a structure belongs", "PutRecords", {"Records": ["a"]}, "Expected null")
serialization(
    "A string where a time belongs",
    "GetShardIterator",
    {"ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": "a"},
    "class java.lang.String can not be converted to milliseconds since epoch",
)
serialization(
    "Five characters of base64",
    "PutRecord",
    {"PartitionKey": "a", "Data": "23456"},
    "'23456' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 5",
)
serialization(
    "Base64 with a sign too early",
    "PutRecord",
    {"PartitionKey": "a", "Data": "=+/="},
    "'=+/=' can not be converted to a Blob: Invalid Base64 character: '='",
)
serialization(
    "Base64 with bits left over",
    "PutRecord",
    {"PartitionKey": "a", "Data": "+/+="},
    "'+/+=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected",
)


@case("A type and a constraint broken", "SerializationException: types come first", f"{KINESALITE} index.js")
def _(s):
    refused(s.open, "DescribeStream", "SerializationException", StreamName="", Limit="1")
