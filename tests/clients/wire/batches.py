"""Record batches of format 2: made, right and wrong, and read."""

import struct
import zlib

from messages import Reader

HEADER = ">qiibIhiqqqhii"
HEADER_BYTES = struct.calcsize(HEADER)
TRANSACTIONAL, CONTROL = 0x10, 0x20


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


CRC_TABLE = tuple(_table())


def crc(data):
    """CRC-32C."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def zigzag(value):
    value = value << 1 ^ value >> 63
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def sized(data):
    return zigzag(-1) if data is None else zigzag(len(data)) + data


def record(delta, key, value, time_delta=0, headers=()):
    heads = b"".join(sized(name) + sized(content) for name, content in headers)
    body = b"\0" + zigzag(time_delta) + zigzag(delta) + sized(key) + sized(value) + zigzag(len(headers)) + heads
    return zigzag(len(body)) + body


def batch(values, time, *, key=None, producer=(-1, -1, -1), attributes=0, times=None, base=0, **wrong):
    """One batch. `producer` is id, epoch, first sequence; `wrong` may have magic, crc, count, last_delta, length, records."""
    times = times or [time] * len(values)
    body = b"".join(record(at, key, value, times[at] - times[0]) for at, value in enumerate(values))
    body = wrong.get("records", body)
    head = (
        attributes,
        wrong.get("last_delta", len(values) - 1),
        times[0] if times else time,
        max(times, default=time),
        *producer,
    )
    checked = struct.pack(">hiqqqhii", *head, wrong.get("count", len(values))) + body
    front = struct.pack(">ibI", -1, wrong.get("magic", 2), wrong.get("crc", crc(checked)))
    length = wrong.get("length", len(front) + len(checked))
    return struct.pack(">qi", base, length) + front + checked


def message_set(value, magic):
    """One message of the formats 0 and 1, which producers must not send any more."""
    rest = (
        bytes([magic, 0])
        + (struct.pack(">q", 0) if magic else b"")
        + struct.pack(">i", -1)
        + struct.pack(">i", len(value))
        + value
    )
    message = struct.pack(">I", zlib.crc32(rest)) + rest
    return struct.pack(">qi", 0, len(message)) + message


def read(data):
    """What is seen of batches: their headers, and how many bytes of records each has."""
    reader, found = Reader(data), []
    while reader.rest() >= HEADER_BYTES:
        at = reader.at
        base, length, _, magic, _, attributes, last, first_time, max_time, pid, epoch, sequence, count = struct.unpack(
            HEADER, reader.take(HEADER_BYTES)
        )
        records = length + 12 - HEADER_BYTES
        if records > reader.rest():
            return found + [{"Cut": True, "BaseOffset": base}]
        reader.at = at + 12 + length
        found.append(
            {
                "BaseOffset": base,
                "LastOffset": base + last,
                "Magic": magic,
                "Attributes": attributes,
                "FirstTimestamp": first_time,
                "MaxTimestamp": max_time,
                "ProducerId": pid,
                "ProducerEpoch": epoch,
                "Sequence": sequence,
                "Records": count,
                "RecordBytes": data[at + HEADER_BYTES : reader.at],
            }
        )
    return found
