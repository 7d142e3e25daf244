"""What somebody sees and does who looks at the server through kaskade: the program itself, in a terminal of its own.

Its keys are pressed and its screen is read, so that nothing of it is known here but what its user knows.
"""

import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pexpect
import pyte
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

LINES, COLUMNS = 50, 180
SECONDS = 60
ENTER, RIGHT, SAVE, REFRESH, DELETE = "\r", "\x1b[C", "\x13", "\x12", "\x04"
# What kaskade says in its notices when the server has refused or not answered.
TROUBLE = re.compile(r"Error|Could not|Unavailable|failed|denied|timed out|Timed out")


class Screen:
    """kaskade, running."""

    def __init__(self, bootstrap, home, *words):
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self.screen)
        program = Path(sys.executable).parent / "kaskade"
        # Its settings and its log are looked for at home.
        env = {"TERM": "xterm-256color", "HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.program = pexpect.spawn(str(program), [*words, "-b", bootstrap], dimensions=(LINES, COLUMNS), env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.terminate(force=True)

    def text(self):
        return "\n".join(line.rstrip() for line in self.screen.display)

    def read(self):
        """Takes what kaskade writes; false if it wrote nothing for a moment."""
        try:
            self.stream.feed(self.program.read_nonblocking(1 << 16, timeout=0.2))
            return True
        except pexpect.TIMEOUT:
            return False

    def sees(self, *patterns, without=None):
        """Waits until each is on the screen, as words of one line, and that other one is not; and nothing has gone wrong."""
        deadline = time.monotonic() + SECONDS
        while True:
            self.read()
            lines = [re.sub(r"[│┃▌▎]", " ", line) for line in self.screen.display]
            lines = [" ".join(line.split()) for line in lines]
            missing = [pattern for pattern in patterns if not any(re.search(pattern, line) for line in lines)]
            if without and any(re.search(without, line) for line in lines):
                missing.append(f"anything but {without}")
            if not missing:
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"{missing} not on the screen:\n{self.text()}")
        trouble = [line for line in lines if TROUBLE.search(line)]
        if trouble:
            raise AssertionError(f"{trouble}:\n{self.text()}")

    def press(self, *keys):
        for key in keys:
            # A dialogue that was just opened takes keys only when all of it is drawn.
            while self.read():
                pass
            self.program.send(key)


class World:
    def __init__(self, server):
        self.home = server
        self.bootstrap = (server / "bootstrap").read_text().strip()
        self.client = {"bootstrap.servers": self.bootstrap}
        self.admin = AdminClient(self.client)
        # Two topics, records with keys and headers, and a group that has read some of them.
        for created in self.admin.create_topics([NewTopic("orders", 3), NewTopic("payments", 1)]).values():
            created.result()
        producer = Producer(self.client)
        for number in range(7):
            producer.produce("orders", f"value {number}", f"key {number}", number % 3, headers={"origin": "till"})
        producer.flush()
        consumer = Consumer({**self.client, "group.id": "billing", "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe(["orders"])
        read = 0
        while read < 7:
            message = consumer.poll(SECONDS)
            if message is None or message.error():
                raise RuntimeError(f"the group reads nothing: {message and message.error()}")
            read += 1
        consumer.commit(asynchronous=False)
        # It stays, so that there is a member to be seen.
        self.consumer = consumer

    def screen(self, *words):
        return Screen(self.bootstrap, self.home, *words)


def pick(screen, topic):
    """Filters, so that the topic is the only one and the cursor is on it."""
    screen.sees(f"^{topic} ")
    screen.press("/")
    screen.sees("Filter Topics")
    screen.press(topic, ENTER)
    screen.sees(f"^{topic} ", without=f"^(?!{topic})[a-z_]+ \\d+ 1 1 ")


def topics(world):
    """Topics with their partitions, groups, members, records and lag; one of them filtered out."""
    with world.screen("admin") as screen:
        screen.sees(r"^orders 3 1 1 1 1 .?7 .?0$", r"^payments 1 1 1 0 0 .?0 .?0$")
        pick(screen, "payments")


def details(world):
    """A topic's partitions, configs, groups, their offsets and members."""
    with world.screen("admin") as screen:
        screen.sees(r"^orders 3 1 1 1 1 .?7 .?0$")
        pick(screen, "orders")
        screen.press(ENTER)
        screen.sees(r"Topic Details \[orders\]", r"Configurations \[\d\d\]", r"^0 \d 0 3 3 \[\d\] \[\d\]$", r"^2 \d 0 2 2 \[\d\] \[\d\]$")
        screen.press(RIGHT)
        screen.sees("^cleanup.policy delete$", "^max.message.bytes 1048588$")
        screen.press(RIGHT)
        screen.sees(rf"^billing {re.escape(world.bootstrap)}/\d+ stable range 3 1 0$")
        screen.press(RIGHT)
        screen.sees("^billing 0 3 3 0$", "^billing 1 2 2 0$", "^billing 2 2 2 0$")
        screen.press(RIGHT)
        screen.sees("billing.*rdkafka.*127.0.0.1")


def records(world):
    """Records with key, value, time, partition, offset and headers; one of them in full."""
    with world.screen("consumer", "-t", "orders", "-k", "string", "-v", "string", "--earliest") as screen:
        screen.sees(r"Records \[orders\]\[7\]", r"^key 0 value 0 .* 0 0 1$", r"^key 3 value 3 .* 0 1 1$", r"^key 5 value 5 .* 2 1 1$")
        screen.press(ENTER)
        screen.sees(r"Record Details \[orders\]\[\d\]\[0\]", r"Headers \[1\]")


def create(world):
    """A topic is made, is seen, and goes."""
    with world.screen("admin") as screen:
        screen.sees("^payments 1 ")
        screen.press("n")
        screen.sees("Create Topic")
        screen.press("refunds", SAVE)
        screen.sees("^refunds 1 1 1 0 0", "Created topic 'refunds'")
        assert "refunds" in world.admin.list_topics(timeout=SECONDS).topics
    with world.screen("admin") as screen:
        pick(screen, "refunds")
        screen.press(DELETE)
        screen.sees(r"Delete Topic \[refunds\]")
        screen.press("refunds", ENTER)
        # What it says of it is on the screen for a moment only.
        deadline = time.monotonic() + SECONDS
        while "refunds" in world.admin.list_topics(timeout=SECONDS).topics:
            assert time.monotonic() < deadline, f"the topic is still there:\n{screen.text()}"
            screen.read()
    with world.screen("admin") as screen:
        screen.sees("^payments 1 ", without="^refunds 1 ")


def restart(world):
    """What was there is there again after a kill, and kaskade finds it with the next refresh.

    Groups only another kaskade finds: its librdkafka (2.16.1, at Apache Kafka too) goes on to ask the connection to the
    coordinator that it gave up when the only server of the cluster went away.
    """
    subject = Path(__file__).parent.parent / "subject"
    with world.screen("admin") as screen:
        screen.sees(r"^orders 3 1 1 1 1 .?7 .?0$")
        for verb in ("kill", "resume"):
            subprocess.run([subject, verb, world.home], check=True, stdout=subprocess.DEVNULL)
        producer = Producer(world.client)
        producer.produce("orders", "value 7", "key 7", 0)
        producer.flush()
        screen.press(REFRESH)
        screen.sees(r"^orders 3 1 1 1 1 .?8 ")
    with world.screen("admin") as screen:
        screen.sees(r"^orders 3 1 1 1 1 .?8 .?1$")


CASES = [topics, details, records, create, restart]


def main():
    server, results, *wanted = sys.argv[1:]
    world = World(Path(server))
    failed = 0
    cases = [case for case in CASES if not wanted or case.__name__ in wanted]
    with open(Path(results) / "kaskade-ui.txt", "w") as lines:
        for case in cases:
            line = f"CASE kaskade {version('kaskade')} {case.__name__} "
            try:
                case(world)
                line += "ok"
            except Exception as error:
                failed += 1
                line += f"fail {type(error).__name__}: {error}".splitlines()[0]
                print(error, file=sys.stderr)
            print(line, flush=True)
            lines.write(line + "\n")
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
