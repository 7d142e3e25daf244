"""What the clients saw of the limits on throughput; README.md beside this file says what is checked."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import confluent_kafka
from confluent_kafka import admin

# A saturated shard's rate, and how near to it half a minute has to come.
RECORDS, BYTES, READ_BYTES = 1_000, 1 << 20, 2 << 20
NEAR = 0.02
SPAN = 30
# Long enough for librdkafka, whose batches are ten seconds' worth of small records.
SECONDS = 42
KINDS = {
    # Records are what is scarce.
    "records": {"size": 100, "outstanding": 20_000, "unit": 1 / RECORDS},
    # Bytes are.
    "bytes": {"size": 4_000, "outstanding": 4_000, "unit": 4_000 / BYTES},
}


class Checks:
    def __init__(self):
        self.failed = self.passed = 0

    def say(self, what, found, holds):
        self.passed += holds
        self.failed += not holds
        print(f"{'ok    ' if holds else 'FAILED'} {what}: {found}", flush=True)


class Gateway:
    def __init__(self, servers):
        self.servers = servers
        self.admin = admin.AdminClient({"bootstrap.servers": servers})

    def limits(self, profile):
        change = admin.ConfigEntry("kinesis.limits.profile", profile, incremental_operation=admin.AlterConfigOpType.SET)
        resource = admin.ConfigResource(admin.ConfigResource.Type.BROKER, "0", incremental_configs=[change])
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result()

    def create(self, topic, partitions=1, **config):
        new = admin.NewTopic(topic, partitions, 1, config=config)
        for future in self.admin.create_topics([new]).values():
            future.result()

    def consumer(self, group, **config):
        return confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                **config,
            }
        )

    def values(self, topic):
        """Every record's number, in order, with its offset."""
        consumer = self.consumer("check", **{"enable.partition.eof": True})
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        found = []
        while True:
            for message in consumer.consume(1_000, 1):
                if message.error():
                    consumer.close()
                    return found
                found.append((int(message.value()[:12]), message.offset()))

    def tips(self, topic, partitions):
        consumer = self.consumer("tips")
        tips = [
            consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, partition), 10)[1]
            for partition in range(partitions)
        ]
        consumer.close()
        return tips


def steady_rate(acknowledged):
    """Records a second from one acknowledged batch to the first that comes SPAN seconds later, and the time between."""
    # Each batch's first acknowledgement, and how many records there were up to its last one. The acknowledgements of one batch come
    # together; where those of several do, half a second of them is one.
    batches, previous = [], None
    for count, (at, _, _) in enumerate(acknowledged, 1):
        if previous is None or at - previous > 0.05 or at - batches[-1][0] > 0.5:
            batches.append([at, count])
        batches[-1][1] = count
        previous = at
    batches = [batch for batch in batches if batch[0] >= 1]
    if not batches:
        return 0, 0
    begun, before = batches[0]
    ended, count = next((batch for batch in batches if batch[0] >= begun + SPAN), batches[-1])
    return (count - before) / max(ended - begun, 1e-9), ended - begun


def saturate(gateway, kind, commands, work, checks):
    """All clients at once, each with a shard of its own."""
    shape = KINDS[kind]
    running = {}
    for client, command in commands.items():
        topic, acknowledgements = f"{kind}-{client}", work / f"{kind}-{client}"
        gateway.create(topic)
        arguments = [gateway.servers, topic, shape["size"], SECONDS, shape["outstanding"], acknowledgements]
        process = subprocess.Popen(command + [str(argument) for argument in arguments], stdout=subprocess.PIPE, text=True)
        running[client] = (topic, acknowledgements, process)
    ended = {client: (process.communicate()[0], process.returncode) for client, (_, _, process) in running.items()}
    gateway.limits("off")
    for client, (topic, path, _) in running.items():
        said, code = ended[client]
        lines = [line.split() for line in path.read_text().splitlines()]
        acknowledged = [(float(at), int(number), int(offset)) for at, number, offset in lines]
        rate, span = steady_rate(acknowledged)
        share = rate * shape["unit"]
        what = f"{client}, limited by {kind}"
        checks.say(f"{what}: share of the rate", f"{share:.4f} in {span:.1f} s", abs(share - 1) <= NEAR and span >= SPAN)
        checks.say(f"{what}: no error and no retry", said.strip().splitlines()[:3] or "none", not said and code == 0)
        told = sorted((offset, number) for _, number, offset in acknowledged)
        found = [(offset, number) for number, offset in gateway.values(topic)]
        in_order = found == sorted(found) and [number for _, number in found] == list(range(len(found)))
        checks.say(f"{what}: each record once, in order", f"{len(found)} of {len(told)}", in_order and told == found)
    gateway.limits("kinesis")


def hot(gateway, checks):
    """One producer with twenty times the rate into partition 0, and the rate into each of three others."""
    topic, partitions, seconds, size = "hot", 4, 20, 100
    gateway.create(topic, partitions)
    errors = []
    producer = confluent_kafka.Producer({"bootstrap.servers": gateway.servers, "error_cb": lambda error: errors.append(str(error))})
    outstanding, sent = [0] * partitions, [0] * partitions

    def delivered(partition):
        def hear(error, _):
            outstanding[partition] -= 1
            if error:
                errors.append(str(error))

        return hear

    hear = [delivered(partition) for partition in range(partitions)]
    begun = time.monotonic()
    while (elapsed := time.monotonic() - begun) < seconds:
        for partition in range(partitions):
            wanted = int(elapsed * RECORDS * (20 if partition == 0 else 1))
            # Its own program would wait for the hot one, too.
            while sent[partition] < wanted and (partition or outstanding[0] < 20_000):
                producer.produce(topic, b"x" * size, partition=partition, on_delivery=hear[partition])
                outstanding[partition] += 1
                sent[partition] += 1
        producer.poll(0.005)
    tips = gateway.tips(topic, partitions)
    elapsed = time.monotonic() - begun
    shares = [tip / RECORDS / elapsed for tip in tips]
    # In the first moment the client has not sent what it was given.
    checks.say("a hot partition leaves the others their rate", [round(share, 3) for share in shares], min(shares[1:]) >= 0.95)
    checks.say("a hot partition carries its own rate", round(shares[0], 3), shares[0] >= 0.98)
    producer.flush()
    checks.say("a hot partition: no error", errors[:3] or "none", not errors)


def read(gateway, checks):
    """Two groups that share a shard, and a fan-out consumer beside them."""
    topic, size, megabytes = "read", 10_000, 110
    gateway.create(topic, **{"kinesis.fanout.consumers": "fan"})
    gateway.limits("off")
    producer = confluent_kafka.Producer({"bootstrap.servers": gateway.servers, "queue.buffering.max.kbytes": megabytes << 11})
    for _ in range((megabytes << 20) // size):
        producer.produce(topic, b"x" * size)
        producer.poll(0)
    producer.flush()
    gateway.limits("kinesis")
    taken = {}

    def consume(name):
        # Otherwise it fetches for later what is not counted here.
        consumer = gateway.consumer(name, **{"client.id": name})
        consumer.subscribe([topic])
        begun, arrivals = None, []
        while begun is None or time.monotonic() < begun + SPAN + 1:
            for message in consumer.consume(200, 0.1):
                begun = begun or time.monotonic()
                arrivals.append((time.monotonic() - begun, len(message.value())))
        consumer.close()
        # Without the first second, in which a group meets and gets what nobody has taken before.
        taken[name] = sum(count for at, count in arrivals if 1 < at <= 1 + SPAN)

    threads = [threading.Thread(target=consume, args=(name,)) for name in ("one", "two", "fan")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    share = (taken["one"] + taken["two"]) / READ_BYTES / SPAN
    halves = f"{share:.4f}, of it {taken['one'] / (taken['one'] + taken['two']):.2f} for the first"
    checks.say("two groups share what a shard gives", halves, abs(share - 1) <= NEAR)
    share = taken["fan"] / READ_BYTES / SPAN
    checks.say("a fan-out consumer has as much for itself", f"{share:.4f}", abs(share - 1) <= NEAR)


def main():
    work, commands = Path(sys.argv[1]), json.loads(sys.argv[2])
    gateway = Gateway((work / "bootstrap").read_text().strip())
    checks = Checks()
    # Not all at once: a client that the machine keeps waiting does not reach its shard's limit.
    natives = {"librdkafka", "librdkafka-idempotent", "franz-go", "kafkajs"}
    for kind in KINDS:
        for native in (True, False):
            chosen = {client: command for client, command in commands.items() if (client in natives) == native}
            saturate(gateway, kind, chosen, work, checks)
    hot(gateway, checks)
    read(gateway, checks)
    print(f"{checks.passed} passed, {checks.failed} failed, 0 skipped")
    sys.exit(checks.failed > 0)


main()
