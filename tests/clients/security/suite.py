"""The matrix of logins, and what those who are logged in may see. One line per case, as ../README.md has it."""

import argparse
import asyncio
import json
import logging
import os
import socket
import statistics
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import aiokafka
import aiokafka.abc
import aiokafka.helpers
import confluent_kafka
import kafka.errors
import kafka.net.sasl.oauth
from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType, ResourceType, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion,
)

import tokens

PASSWORDS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
logging.disable(logging.CRITICAL)


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def case(self, client, what, is_ok, why=""):
        self.passed += bool(is_ok)
        self.failed += not is_ok
        print(f"CASE {client} {what} {'ok' if is_ok else f'fail {why}'}", flush=True)


def logins(run, ports):
    """Each login as (name, settings, whether it is right)."""
    good, other = f"{run}/issuer.key", f"{run}/other.key"
    for listener, ca in (("login", ""), ("login-tls", f"{run}/ca.pem")):
        servers = ports["kafka-listeners"][listener]
        base = {"servers": servers, "ca": ca}
        for mechanism in PASSWORDS:
            for user, password, is_right in (
                ("admin", "admin-secret", True), ("admin", "wrong", False), ("nobody", "admin-secret", False),
            ):
                yield f"{listener} {mechanism} {user}:{password}", {
                    **base, "mechanism": mechanism, "user": user, "password": password}, is_right
        for name, token, is_right in (
            ("token", tokens.token(good), True),
            ("expired", tokens.token(good, seconds=-60), False),
            ("other-issuer", tokens.token(good, iss="https://other.example"), False),
            ("other-audience", tokens.token(good, aud="other"), False),
            ("other-key", tokens.token(other), False),
        ):
            yield f"{listener} OAUTHBEARER {name}", {**base, "mechanism": "OAUTHBEARER", "token": token}, is_right
        for user, password, is_right in (
            ("AKIDEXAMPLE", "iam-secret", True), ("AKIDEXAMPLE", "wrong", False), ("AKIDNOBODY", "iam-secret", False),
        ):
            yield f"{listener} AWS_MSK_IAM {user}:{password}", {
                **base, "mechanism": "AWS_MSK_IAM", "user": user, "password": password}, is_right
    servers = ports["kafka-listeners"]["mutual-tls"]
    for name, is_right in (("client", True), ("impostor", False), ("", False)):
        shown = {"cert": f"{run}/{name}.pem", "key": f"{run}/{name}.key"} if name else {}
        yield f"mutual-tls certificate {name or 'none'}", {
            "servers": servers, "ca": f"{run}/ca.pem", "mechanism": "", **shown}, is_right


def protocol(login):
    return ("SASL_" if login["mechanism"] else "") + ("SSL" if login["ca"] else "PLAINTEXT")


def confluent(login):
    """What librdkafka is set up with, and a list of the errors it will report."""
    errors = []
    settings = {
        "bootstrap.servers": login["servers"], "security.protocol": protocol(login), "error_cb": errors.append,
        "socket.connection.setup.timeout.ms": 3000, "log_level": 0,
    }
    if login["mechanism"]:
        settings["sasl.mechanism"] = login["mechanism"]
    if login["mechanism"] in PASSWORDS:
        settings |= {"sasl.username": login["user"], "sasl.password": login["password"]}
    if login["mechanism"] == "OAUTHBEARER":
        settings["oauth_cb"] = lambda _: (login["token"], time.time() + 600, "token", {})
    if login["ca"]:
        settings["ssl.ca.location"] = login["ca"]
    if "cert" in login:
        settings |= {"ssl.certificate.location": login["cert"], "ssl.key.location": login["key"]}
    return settings, errors


def with_confluent(login):
    settings, errors = confluent(login)
    admin = AdminClient(settings)
    admin.poll(0)
    try:
        topics = admin.list_topics(timeout=3).topics
        return "ok" if len(topics) == 2 else f"{len(topics)} topics are seen; there are 2"
    except confluent_kafka.KafkaException as error:
        admin.poll(0)
        codes = {each.code() for each in errors}
        expected = {confluent_kafka.KafkaError._AUTHENTICATION, confluent_kafka.KafkaError._SSL}
        # Of a certificate that is not good, TLS 1.3 tells the client when it is already through.
        is_closed = not login["mechanism"] and confluent_kafka.KafkaError._ALL_BROKERS_DOWN in codes
        return "denied" if codes & expected or is_closed else f"{error} {errors}"


class Token(kafka.net.sasl.oauth.AbstractTokenProvider):
    def __init__(self, token):
        self.made = token

    def token(self):
        return self.made


def with_kafka_python(login):
    settings = {"bootstrap_servers": login["servers"], "security_protocol": protocol(login), "request_timeout_ms": 4000}
    if login["mechanism"]:
        settings["sasl_mechanism"] = login["mechanism"]
    if login["mechanism"] in PASSWORDS:
        settings |= {"sasl_plain_username": login["user"], "sasl_plain_password": login["password"]}
    if login["mechanism"] == "OAUTHBEARER":
        settings["sasl_oauth_token_provider"] = Token(login["token"])
    if login["mechanism"] == "AWS_MSK_IAM":
        os.environ |= {"AWS_ACCESS_KEY_ID": login["user"], "AWS_SECRET_ACCESS_KEY": login["password"]}
    if login["ca"]:
        settings["ssl_cafile"] = login["ca"]
    if "cert" in login:
        settings |= {"ssl_certfile": login["cert"], "ssl_keyfile": login["key"]}
    admin = None
    try:
        admin = kafka.KafkaAdminClient(**settings, bootstrap_timeout_ms=3000)
        topics = admin.list_topics()
        return "ok" if len(topics) == 2 else f"{len(topics)} topics are seen; there are 2"
    except (kafka.errors.SaslAuthenticationFailedError, kafka.errors.KafkaTimeoutError):
        # Of a login that fails it says, as long as it may, that it cannot connect.
        return "denied"
    except Exception as error:  # Whatever it is, it is the answer.
        return f"{type(error).__name__} {error}"
    finally:
        if admin:
            admin.close()


class AioToken(aiokafka.abc.AbstractTokenProvider):
    def __init__(self, token):
        self.made = token

    async def token(self):
        return self.made


async def with_aiokafka(login):
    settings = {"bootstrap_servers": login["servers"], "security_protocol": protocol(login), "request_timeout_ms": 4000}
    if login["mechanism"]:
        settings["sasl_mechanism"] = login["mechanism"]
    if login["mechanism"] in PASSWORDS:
        settings |= {"sasl_plain_username": login["user"], "sasl_plain_password": login["password"]}
    if login["mechanism"] == "OAUTHBEARER":
        settings["sasl_oauth_token_provider"] = AioToken(login["token"])
    if login["ca"]:
        cert = {"certfile": login["cert"], "keyfile": login["key"]} if "cert" in login else {}
        settings["ssl_context"] = aiokafka.helpers.create_ssl_context(cafile=login["ca"], **cert)
    consumer = aiokafka.AIOKafkaConsumer(**settings)
    try:
        await consumer.start()
        topics = await consumer.topics()
        return "ok" if len(topics) == 2 else f"{len(topics)} topics are seen; there are 2"
    except Exception as error:
        # It says of a login that failed that it could not connect.
        return "denied" if isinstance(error, aiokafka.errors.KafkaConnectionError) else f"{type(error).__name__} {error}"
    finally:
        await consumer.stop()


def with_process(command, lines):
    process = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120)
    answers = process.stdout.splitlines()
    return answers + [f"no answer: {process.stderr[-300:]}"] * (len(lines) - len(answers))


def java_settings(run, number, login):
    settings = {
        "bootstrap.servers": login["servers"], "security.protocol": protocol(login), "default.api.timeout.ms": 20000,
        "request.timeout.ms": 10000, "retries": 0,
    }
    if login["ca"]:
        settings |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": login["ca"]}
    if "cert" in login:
        both = f"{run}/{number}.pem"
        with open(both, "w") as file:
            file.write(open(login["key"]).read() + open(login["cert"]).read())
        settings |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": both}
    if login["mechanism"]:
        settings["sasl.mechanism"] = login["mechanism"]
    jaas = "org.apache.kafka.common.security"
    if login["mechanism"] in PASSWORDS:
        module = "plain.PlainLoginModule" if login["mechanism"] == "PLAIN" else "scram.ScramLoginModule"
        user = f'username="{login["user"]}" password="{login["password"]}"'
        settings["sasl.jaas.config"] = f"{jaas}.{module} required {user};"
    if login["mechanism"] == "OAUTHBEARER":
        with open(f"{run}/{number}.token", "w") as file:
            file.write(login["token"])
        settings |= {
            "sasl.jaas.config": f"{jaas}.oauthbearer.OAuthBearerLoginModule required;",
            "sasl.login.callback.handler.class": f"{jaas}.oauthbearer.OAuthBearerLoginCallbackHandler",
            "sasl.oauthbearer.jwt.retriever.class": f"{jaas}.oauthbearer.FileJwtRetriever",
            "sasl.oauthbearer.token.endpoint.url": f"file://{run}/{number}.token",
        }
    if login["mechanism"] == "AWS_MSK_IAM":
        # A profile for each login, in the file of profiles that all of them have.
        with open(f"{run}/aws-credentials", "a") as file:
            file.write(f"[login-{number}]\naws_access_key_id = {login['user']}\naws_secret_access_key = {login['password']}\n")
        module = "software.amazon.msk.auth.iam"
        settings |= {
            "sasl.jaas.config": f'{module}.IAMLoginModule required awsProfileName="login-{number}";',
            "sasl.client.callback.handler.class": f"{module}.IAMClientCallbackHandler",
        }
    path = f"{run}/{number}.properties"
    with open(path, "w") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())
    return path


def access(results, ports):
    """Rules that allow alice one topic: of the other she hears no more than of one that is not there."""
    login = {"servers": ports["kafka-listeners"]["login"], "ca": "", "mechanism": "SCRAM-SHA-512"}
    admin = AdminClient(confluent({**login, "user": "admin", "password": "admin-secret"})[0])
    alice = AdminClient(confluent({**login, "user": "alice", "password": "alice-secret"})[0])
    seen = lambda: sorted(alice.list_topics(timeout=5).topics)
    error = lambda topic: alice.list_topics(topic, timeout=5).topics[topic].error
    results.case("confluent-kafka", "access nothing-is-seen-without-a-rule", seen() == [], seen())
    rule = AclBinding(
        ResourceType.TOPIC, "open", ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.READ, AclPermissionType.ALLOW)
    for future in admin.create_acls([rule]).values():
        future.result(10)
    results.case("confluent-kafka", "access what-a-rule-allows-is-seen", seen() == ["open"], seen())
    codes = {topic: error(topic).code() for topic in ("secret", "nowhere")}
    denied = confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED
    results.case("confluent-kafka", "access a-denied-name-is-not-told-from-an-unknown-one", set(codes.values()) == {denied}, codes)


def scram_users(results, ports):
    """Users that are made at run time, and unmade."""
    login = {"servers": ports["kafka-listeners"]["login"], "ca": "", "mechanism": "SCRAM-SHA-256"}
    admin = AdminClient(confluent({**login, "user": "admin", "password": "admin-secret"})[0])
    carol = {**login, "user": "carol", "password": "carol-secret"}

    def alter(change):
        for future in admin.alter_user_scram_credentials([change]).values():
            future.result(10)

    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    alter(UserScramCredentialUpsertion("carol", info, b"carol-secret"))
    shown = admin.describe_user_scram_credentials().result(10)
    results.case("confluent-kafka", "scram-users a-user-made-at-run-time-is-shown", sorted(shown) == ["carol"], shown)
    answer = with_confluent(carol)
    results.case("confluent-kafka", "scram-users and-can-log-in", answer.startswith("0 topics"), answer)
    alter(UserScramCredentialDeletion("carol", ScramMechanism.SCRAM_SHA_256))
    answer = with_confluent(carol)
    results.case("confluent-kafka", "scram-users until-it-is-deleted", answer == "denied", answer)


def rotation(run, results, ports, with_java):
    """The issuer changes its key: tokens of the new one are good at once, those of the old one no longer."""
    login = {"servers": ports["kafka-listeners"]["login"], "ca": "", "mechanism": "OAUTHBEARER"}
    old, new = tokens.token(f"{run}/issuer.key"), tokens.token(f"{run}/other.key", kid="two")
    with open(f"{run}/jwks.json", "w") as file:
        file.write(tokens.jwks(f"{run}/other.key", "two"))
    # For unknown keys the gateway asks at most every ten seconds.
    deadline = time.monotonic() + 15
    while (answer := with_confluent({**login, "token": new})) != "ok" and time.monotonic() < deadline:
        time.sleep(0.5)
    for client, try_login in (("confluent-kafka", with_confluent), ("java", with_java)):
        for name, made, expected in (("new", new, "ok"), ("old", old, "denied")):
            answer = try_login({**login, "token": made})
            results.case(client, f"rotation the-{name}-key", answer == expected, answer)


def one_failure(address, user, password):
    """The seconds that a failed login with PLAIN takes, and all of its answer."""
    def call(key, version, body):
        frame = struct.pack(">hhih", key, version, 7, -1) + body
        stream.sendall(struct.pack(">i", len(frame)) + frame)
        length = struct.unpack(">i", stream.recv(4, socket.MSG_WAITALL))[0]
        return stream.recv(length, socket.MSG_WAITALL)

    with socket.create_connection(address, 5) as stream:
        call(17, 1, struct.pack(">h", 5) + b"PLAIN")
        token = f"\0{user}\0{password}".encode()
        begun = time.perf_counter()
        answer = call(36, 1, struct.pack(">i", len(token)) + token)
        return time.perf_counter() - begun, answer


def timing(results, ports):
    host, port = ports["kafka-listeners"]["login"].rsplit(":", 1)
    users, passwords = [], []
    for _ in range(15):
        users.append(one_failure((host, int(port)), "nobody", "admin-secret"))
        passwords.append(one_failure((host, int(port)), "admin", "wrong"))
    same = len({answer for _, answer in users + passwords}) == 1
    results.case("bytes", "timing the-answers-are-the-same", same, (users[0], passwords[0]))
    medians = [statistics.median(seconds for seconds, _ in side) for side in (users, passwords)]
    results.case("bytes", "timing the-times-are-the-same", abs(medians[0] - medians[1]) < 0.005, medians)


def main():
    parser = argparse.ArgumentParser()
    for name in ("run", "go", "java"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kafkajs", required=True, nargs=2)
    arguments = parser.parse_args()
    run, results = arguments.run, Results()
    with open(f"{run}/ports.json") as file:
        ports = json.load(file)
    matrix = list(logins(run, ports))

    def judge(client, logins, answers):
        for (what, _, is_right), answer in zip(logins, answers):
            results.case(client, what, answer == ("ok" if is_right else "denied"), answer)

    lines = [json.dumps(login) for _, login, _ in matrix]
    judge("franz-go", matrix, with_process([arguments.go], lines))
    judge("kafkajs", matrix, with_process(arguments.kafkajs, lines))
    files = [java_settings(run, number, login) for number, (_, login, _) in enumerate(matrix)]
    allowed = ",".join(f"{run}/{n}.token,file://{run}/{n}.token" for n in range(len(files)))
    # The region of MSK is in its brokers' names, and else where AWS's other clients look for it.
    java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Daws.region=us-east-1",
            f"-Daws.sharedCredentialsFile={run}/aws-credentials", "-cp", arguments.java, "Login", allowed]
    judge("java", matrix, with_process(java, files))

    def with_java(login):
        return with_process(java, [java_settings(run, 0, login)])[0]

    without_iam = [each for each in matrix if each[1]["mechanism"] != "AWS_MSK_IAM"]
    # Who is denied tries until its time is over, so they do it side by side.
    with ThreadPoolExecutor(12) as pool:
        for client, try_login in (
            ("confluent-kafka", with_confluent),
            ("aiokafka", lambda login: asyncio.run(with_aiokafka(login))),
            ("kafka-python", with_kafka_python),
        ):
            judge(client, without_iam, pool.map(try_login, [login for _, login, _ in without_iam]))
    # kafka-python has its access key from the environment, so here it is one after the other; and it insists on TLS.
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    with_iam = [each for each in matrix if each[1]["mechanism"] == "AWS_MSK_IAM" and each[1]["ca"]]
    judge("kafka-python", with_iam, map(with_kafka_python, [login for _, login, _ in with_iam]))
    timing(results, ports)
    scram_users(results, ports)
    access(results, ports)
    rotation(run, results, ports, with_java)
    print(f"{results.passed} passed, {results.failed} failed, 0 skipped")
    sys.exit(results.failed > 0)


main()
