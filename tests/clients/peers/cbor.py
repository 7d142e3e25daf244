"""As much of CBOR as AWS CBOR 1.1 needs. Libraries make dates of tag 1 and take seconds for it, which AWS does not mean."""

import struct


class Tag:
    """A tagged value, left as it is."""

    def __init__(self, number, value):
        self.number, self.value = number, value

    def __repr__(self):
        return f"Tag({self.number}, {self.value!r})"


def dumps(value):
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, Tag):
        return head(6, value.number) + dumps(value.value)
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(dumps(part) for member in value.items() for part in member)
    return head(4, len(value)) + b"".join(map(dumps, value))


def head(kind, number):
    for at, (form, limit) in enumerate((("B", 2**8), ("H", 2**16), ("I", 2**32), ("Q", 2**64))):
        if number < 24:
            return bytes([kind << 5 | number])
        if number < limit:
            return bytes([kind << 5 | 24 + at]) + struct.pack(f">{form}", number)
    raise ValueError(number)


BREAK = object()


def loads(data):
    value, end = item(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the value")
    return value


def item(data, at):
    kind, low = data[at] >> 5, data[at] & 31
    at += 1
    if low == 31:
        return (BREAK, at) if kind == 7 else endless(kind, data, at)
    number = low
    if low >= 24:
        size = 1 << low - 24
        number, at = int.from_bytes(data[at : at + size], "big"), at + size
    if kind in (2, 3):
        found = bytes(data[at : at + number])
        return (found if kind == 2 else found.decode()), at + number
    if kind == 4:
        found = []
        for _ in range(number):
            value, at = item(data, at)
            found.append(value)
        return found, at
    if kind == 5:
        found = {}
        for _ in range(number):
            key, at = item(data, at)
            found[key], at = item(data, at)
        return found, at
    if kind == 6:
        value, at = item(data, at)
        return Tag(number, value), at
    if kind == 7:
        if low in (26, 27):
            return struct.unpack(">f" if low == 26 else ">d", data[at - size : at])[0], at
        return {20: False, 21: True, 22: None}[low], at
    return (number if kind == 0 else -1 - number), at


def endless(kind, data, at):
    parts = []
    while True:
        value, at = item(data, at)
        if value is BREAK:
            break
        parts.append(value)
    if kind == 5:
        return dict(zip(parts[::2], parts[1::2])), at
    return (b"" if kind == 2 else "").join(parts) if kind in (2, 3) else parts, at
