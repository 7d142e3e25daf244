"""Saturates one partition with one of the Python clients in its default settings; README.md beside this file has the contract."""

import asyncio
import base64
import logging
import os
import sys
import threading
import time


class Complaints(logging.Handler):
    """Whatever a client warns of, by which a user would see it."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


class Report:
    """One line per acknowledged record, in the order of the acknowledgements."""

    def __init__(self, path, size, seconds, outstanding):
        self.file = open(path, "w")
        self.start = time.monotonic()
        self.seconds = seconds
        # Some clients compress.
        self.noise = base64.b64encode(os.urandom(1 << 20))
        self.size = size - 12
        self.errors = []
        self.lock = threading.Lock()
        self.room = threading.Semaphore(outstanding)

    def over(self):
        return time.monotonic() - self.start >= self.seconds

    def value(self, number):
        at = number * 7919 % (1 << 20)
        return b"%012d" % number + self.noise[at : at + self.size]

    def acknowledged(self, number, offset):
        with self.lock:
            self.file.write(f"{time.monotonic() - self.start:.6f} {number} {offset}\n")
        self.room.release()

    def failed(self, error):
        with self.lock:
            self.errors.append(str(error))
        self.room.release()

    def close(self):
        self.file.close()


def confluent(servers, topic, report, extra):
    import json

    import confluent_kafka

    retries = [0]

    def statistics(text):
        brokers = json.loads(text)["brokers"].values()
        retries[0] = max(retries[0], sum(broker["txretries"] + broker["req_timeouts"] for broker in brokers))

    producer = confluent_kafka.Producer(
        {
            "bootstrap.servers": servers,
            "error_cb": lambda error: report.errors.append(str(error)),
            "stats_cb": statistics,
            "statistics.interval.ms": 1000,
            **extra,
        }
    )

    def deliver(number):
        def delivered(error, message):
            if error:
                report.failed(error)
            else:
                report.acknowledged(number, message.offset())

        return delivered

    number = 0
    while not report.over():
        if not report.room.acquire(blocking=False):
            producer.poll(0.01)
            continue
        producer.produce(topic, report.value(number), on_delivery=deliver(number))
        number += 1
        producer.poll(0)
    producer.flush()
    producer.poll(1.5)
    return retries[0]


def kafka_python(servers, topic, report):
    import kafka

    producer = kafka.KafkaProducer(bootstrap_servers=servers)
    number = 0
    while not report.over():
        report.room.acquire()
        future = producer.send(topic, report.value(number))
        future.add_callback(lambda metadata, number=number: report.acknowledged(number, metadata.offset))
        future.add_errback(report.failed)
        number += 1
    producer.flush()
    retries = producer.metrics()["producer-metrics"].get("record-retry-rate", 0)
    producer.close()
    return retries


async def aiokafka(servers, topic, report):
    import aiokafka

    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()

    def done(number, future):
        if future.exception():
            report.failed(future.exception())
        else:
            report.acknowledged(number, future.result().offset)

    number = 0
    while not report.over():
        future = await producer.send(topic, report.value(number))
        future.add_done_callback(lambda future, number=number: done(number, future))
        number += 1
    await producer.stop()
    return 0


def main():
    client, servers, topic, size, seconds, outstanding, path = sys.argv[1:]
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    report = Report(path, int(size), float(seconds), int(outstanding))
    if client == "librdkafka":
        retries = confluent(servers, topic, report, {})
    elif client == "librdkafka-idempotent":
        retries = confluent(servers, topic, report, {"enable.idempotence": True})
    elif client == "kafka-python":
        retries = kafka_python(servers, topic, report)
    else:
        retries = asyncio.run(aiokafka(servers, topic, report))
    report.close()
    for line in [f"retries: {retries}"] * bool(retries) + report.errors + complaints.lines:
        print(line)


main()
