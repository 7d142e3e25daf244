"""The cases that all clients share, written once against the small interface of `client_*.py`:

Client    create(topic, partitions), partitions(topic), producer(codec, acks, idempotent),
          end(topic, partition), offset_at(topic, partition, timestamp),
          read(topic, partition, start, end), member(group, topic), committed(group, topic),
          transactional(id), read_some(topic, count, committed_only)
Producer  send(topic, record), flush(), close(); flush raises what a send failed with
Member    poll(), assigned(), commit({partition: offset}), close()
Transactional  begin(), send(topic, record), flush(), offset(member, group, topic, offset), end(commit), close()
"""

import subprocess
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

SUBJECT = Path(__file__).parent.parent / "subject"


class Lacks(Exception):
    """Why a client cannot have a case."""


@dataclass(frozen=True)
class Record:
    value: bytes | None
    key: bytes | None = None
    headers: list = field(default_factory=list)
    partition: int = 0
    timestamp: int | None = field(default=None, compare=False)
    offset: int | None = field(default=None, compare=False)

    def __repr__(self):
        """Short, because a 900 KiB value must not end up in a reason."""
        return f"({self.partition}@{self.offset} {self.key!r:.40} {self.value!r:.40} {self.headers!r:.80})"


class Server:
    def __init__(self, directory):
        self.directory = directory

    def kill_and_resume(self):
        for call in ("kill", "resume"):
            subprocess.run([SUBJECT, call, self.directory], check=True, stdout=subprocess.DEVNULL)


def equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.120}, expected {expected!r:.120}")


def same_records(actual, expected):
    equal(len(actual), len(expected), "number of records")
    for got, wanted in zip(actual, expected):
        equal(got, wanted, "record")


def until(what, probe, seconds=30):
    """Polls, because no client tells when the server has reached a state; returns what the probe found."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)
    return found


def new_name(word):
    return f"{word}-{uuid.uuid4().hex[:8]}"


def new_topic(client, word, partitions):
    topic = new_name(word)
    client.create(topic, partitions)
    until(f"{topic} has {partitions} partitions", lambda: client.partitions(topic) == partitions)
    return topic


def send(client, topic, records, **settings):
    producer = client.producer(**settings)
    for record in records:
        producer.send(topic, record)
    producer.flush()
    producer.close()


def numbered(first, count, partitions=1):
    return [Record(b"%06d" % n, b"k%d" % n, partition=n % partitions) for n in range(first, first + count)]


def produce(client):
    topic = new_topic(client, "produce", len(client.codecs))
    for partition, codec in enumerate(client.codecs):
        sent = []
        # Acks 0 comes last: its records are lost when a new partition has no leader yet.
        for acks in ("all", 1, 0):
            records = [Record(b"%s %r %03d " % (codec.encode(), acks, n) * 50, b"k%d" % n, partition=partition)
                       for n in range(100)]
            send(client, topic, records, codec=codec, acks=acks)
            sent += records
            # With acks 0 nobody knows when they have arrived.
            until(f"100 records sent with {codec} and acks {acks}", lambda: client.end(topic, partition) >= len(sent))
        same_records(client.read(topic, partition, 0, client.end(topic, partition)), sent)
    return "codecs " + " ".join(client.codecs)


def idempotence(client):
    topic = new_topic(client, "idempotence", 1)
    records = numbered(0, 1000)
    send(client, topic, records, idempotent=True)
    same_records(client.read(topic, 0, 0, client.end(topic, 0)), records)


def transactions(client):
    """Readers of what is committed see whole transactions or nothing of them, and a copy of a group's topic, some of whose
    transactions are given up, has each record once."""
    topic, copy = new_topic(client, "transactions", 1), new_topic(client, "copy", 1)
    producer = client.transactional(topic)
    parts = [(numbered(0, 10), True), (numbered(10, 10), False), (numbered(20, 10), True)]
    for records, commit in parts:
        transaction(producer, topic, records, commit)
    committed = parts[0][0] + parts[2][0]
    same_records(client.read_some(topic, 20, committed_only=True), committed)
    same_records(client.read_some(topic, 30, committed_only=False), numbered(0, 30))

    group, members = new_name("copier"), []
    for given_up in (True, False):
        copied, member = [], client.member(group, topic, committed_only=True)
        members.append(member)
        until("all is copied", lambda: copy_some(producer, member, group, topic, copy, copied, not given_up) >= 20)
        # Only what was committed with the copies is read no more.
        member.close()
        equal(client.committed(group, topic), {} if given_up else {0: 32}, "offset committed with the copies")
    last = numbered(99, 1)
    transaction(producer, copy, last, True)
    producer.close()
    same_records(client.read_some(copy, 21, committed_only=True), committed + last)


def transaction(producer, topic, records, commit, offset=None):
    producer.begin()
    for record in records:
        producer.send(topic, record)
    producer.flush()
    if offset:
        producer.offset(*offset)
    producer.end(commit)


def copy_some(producer, member, group, topic, copy, copied, commit):
    """Copies what the member reads in one transaction; how much there is by now."""
    records = member.poll()
    if records:
        transaction(producer, copy, [Record(record.value, record.key) for record in records], commit,
                    (member, group, topic, records[-1].offset + 1))
    copied.extend(records)
    return len(copied)


def consumer(client):
    raise Lacks("this client has the classic protocol only")


def join_two(client, group, topic, **settings):
    """Two members that share the topic's 4 partitions."""
    first, second = client.member(group, topic, **settings), client.member(group, topic, **settings)
    share([first, second], range(4))
    return first, second


def share(members, partitions):
    """Waits until the members have all partitions between them and none has nothing."""
    def stable():
        for member in members:
            equal(member.poll(), [], "records while the group forms")
        parts = [member.assigned() for member in members]
        return all(parts) and sorted(sum(map(sorted, parts), [])) == sorted(partitions)

    until(f"{len(members)} members share {len(partitions)} partitions", stable)


def consume(members, count, got):
    """Polls the members until they have `count` different records; `got` has a list for each."""
    def enough():
        for member, records in zip(members, got):
            records += member.poll()
        return len({record.value for records in got for record in records}) >= count

    until(f"{count} records in the group", enough)


def next_offsets(records):
    return {partition: 1 + max(r.offset for r in records if r.partition == partition)
            for partition in {r.partition for r in records}}


def group(client, **settings):
    topic, group_id = new_topic(client, "group", 4), new_name("group")
    staying, leaving = join_two(client, group_id, topic, **settings)

    first = numbered(0, 200, partitions=4)
    send(client, topic, first)
    got = [[], []]
    consume([staying, leaving], len(first), got)
    same_records(sorted(got[0] + got[1], key=lambda r: r.value), first)
    for member, records in zip([staying, leaving], got):
        equal({r.partition for r in records}, member.assigned(), "partitions of a member's records")
        member.commit(next_offsets(records))
    leaving.close()

    # Sent while the group rebalances; what arrives twice then is no loss.
    second = numbered(200, 200, partitions=4)
    send(client, topic, second)
    later = []
    consume([staying], len(second), [later])
    until("the one who stays has all partitions", lambda: later.extend(staying.poll()) or staying.assigned() == {0, 1, 2, 3})
    equal({r.value for r in later}, {r.value for r in second}, "records after the hand-over")
    staying.commit(next_offsets(later))
    staying.close()
    equal(client.committed(group_id, topic), {0: 100, 1: 100, 2: 100, 3: 100}, "committed offsets")


def restart(client):
    topic, group_id = new_topic(client, "restart", 1), new_name("restart")
    # Idempotent, so that the server must still know the producer afterwards.
    producer = client.producer(idempotent=True)
    before, after = numbered(0, 100), numbered(100, 100)
    for record in before:
        producer.send(topic, record)
    producer.flush()

    member = client.member(group_id, topic)
    consume([member], len(before), [[]])
    member.commit({0: 50})
    member.close()
    # Another group's member lives through the restart.
    survivor, seen = client.member(new_name("survivor"), topic), []
    consume([survivor], len(before), [seen])

    client.server.kill_and_resume()

    for record in after:
        producer.send(topic, record)
    producer.flush()
    producer.close()
    same_records(client.read(topic, 0, 0, client.end(topic, 0)), before + after)

    member, resumed = client.member(group_id, topic), []
    consume([member], 150, [resumed])
    same_records(resumed, (before + after)[50:])
    member.close()
    consume([survivor], 200, [seen])
    survivor.close()


def seek(client):
    topic = new_topic(client, "seek", 1)
    start = int(time.time() - 3600) * 1000
    records = [Record(b"%d" % n, b"k", timestamp=start + n * 1000) for n in range(300)]
    producer = client.producer()
    # Several batches, and the wanted offset inside one.
    for batch in (records[:100], records[100:200], records[200:]):
        for record in batch:
            producer.send(topic, record)
        producer.flush()
    producer.close()
    equal(client.offset_at(topic, 0, start + 150_000), 150, "offset at a record's timestamp")
    equal(client.offset_at(topic, 0, start + 149_001), 150, "offset between two timestamps")
    equal(client.offset_at(topic, 0, start - 1), 0, "offset before the first timestamp")
    equal(client.offset_at(topic, 0, start + 300_000), None, "offset after the last timestamp")
    rest = client.read(topic, 0, 150, client.end(topic, 0))
    same_records(rest, records[150:])
    equal([r.timestamp for r in rest], [r.timestamp for r in records[150:]], "timestamps")


def edges(client):
    topic = new_topic(client, "edges", 1)
    everything = bytes(range(256))
    records = [
        Record(b"null key", None),
        Record(b"empty key", b""),
        Record(None, b"null value"),
        Record(b"", b"empty value"),
        Record(everything * 4 * 900, b"900 KiB"),
        Record(b"headers", b"k", [("name", b"first"), ("other", b""), ("name", b"second"), ("name", b"first")]),
        Record(b"header name", b"k", [("n\u00e4me \u2713", everything)]),
        Record(b"key", b"\xff\xfe\x00\xc3\x28"),
    ]
    if client.null_headers:
        records.append(Record(b"null header", b"k", [("null", None), ("empty", b"")]))
    send(client, topic, records)
    same_records(client.read(topic, 0, 0, client.end(topic, 0)), records)
    return "" if client.null_headers else "without a null header value, which this client refuses to send"
