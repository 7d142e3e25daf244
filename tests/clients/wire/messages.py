"""Kafka's messages, encoded and decoded by the schemas that are in its own client's jar."""

import json
import re
import struct
import zipfile

NUMBERS = {"int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "float64": ">d"}
NO_ID = bytes(16)
# The longest run of elements that is decoded: an answer with more is broken.
ELEMENTS_MAX = 1_000_000


def versions(text):
    """The first and the last version of a range as schemas write them: `3`, `3-5`, `3+`, `none`."""
    text = str(text or "none")
    if text == "none":
        return 1, 0
    first, last = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text).group(1, 3)
    return int(first), 32767 if text.endswith("+") else int(last or first)


def covers(text, version):
    first, last = versions(text)
    return first <= version <= last


class Schemas:
    """Every request and response, by the API's name."""

    def __init__(self, jar):
        self.keys, self._messages = {}, {}
        with zipfile.ZipFile(jar) as archive:
            for path in archive.namelist():
                if re.fullmatch(r"common/message/\w+\.json", path):
                    self._load(archive.read(path).decode())
        self.names = {key: name for name, key in self.keys.items()}

    def _load(self, text):
        schema = json.loads(re.sub(r'^\s*//.*$|//[^"\n]*$', "", text, flags=re.MULTILINE))
        if schema["type"] not in ("request", "response") or schema["validVersions"] == "none":
            return
        for fields in [schema["fields"]] + [common["fields"] for common in schema.get("commonStructs", [])]:
            capitalize(fields)
        name = re.sub("(Request|Response)$", "", schema["name"])
        self._messages[name, schema["type"]] = schema
        self.keys[name] = schema["apiKey"]

    def request(self, name, version, value):
        """The body of a request, and whether its header has tags."""
        form = Form(self._messages[name, "request"], version)
        return form.encode(value), form.is_flexible

    def response(self, name, version, body):
        """The fields of a response; `body` is what comes behind the correlation id."""
        form = Form(self._messages[name, "response"], version)
        reader = Reader(body)
        # Only the header of ApiVersions never has tags: a client reads it before it knows the broker.
        if form.is_flexible and name != "ApiVersions":
            form.tags(reader, {}, {})
        value = form.decode(reader)
        if reader.rest():
            value["BytesBehind"] = reader.take(reader.rest())
        return value

    def range(self, name):
        """The oldest and the newest version that has a schema."""
        return versions(self._messages[name, "request"]["validVersions"])

    def fields(self, name, version):
        """The fields of a request in a version."""
        return [field for field in self._messages[name, "request"]["fields"] if covers(field["versions"], version)]


def capitalize(fields):
    # Schemas differ in that.
    for field in fields:
        field["name"] = field["name"][0].upper() + field["name"][1:]
        capitalize(field.get("fields", []))


def default(field):
    kind, given = field["type"], field.get("default")
    if given == "null":
        return None
    if kind.startswith("[]"):
        return []
    if kind in NUMBERS:
        return int(str(given), 0) if given not in (None, "") else 0
    if kind == "bool":
        return str(given).lower() == "true"
    return {"string": given or "", "uuid": NO_ID, "bytes": b"", "records": b""}.get(kind, {})


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def rest(self):
        return len(self.data) - self.at

    def take(self, count):
        if not 0 <= count <= self.rest():
            raise ValueError(f"{count} bytes wanted, {self.rest()} there")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


class Form:
    """One message in one version."""

    def __init__(self, schema, version):
        self.fields, self.version = schema["fields"], version
        self.commons = {common["name"]: common["fields"] for common in schema.get("commonStructs", [])}
        self.is_flexible = covers(schema.get("flexibleVersions"), version)

    def encode(self, value):
        return self._put_struct(self.fields, value)

    def decode(self, reader):
        return self._get_struct(self.fields, reader)

    def _is_tagged(self, field):
        return "tag" in field and covers(field.get("taggedVersions"), self.version)

    def _put_struct(self, fields, value):
        value = spelled(fields, value)
        out, tagged = [], []
        for field in fields:
            if not covers(field["versions"], self.version):
                continue
            content = value.get(field["name"], default(field))
            if not self._is_tagged(field):
                out.append(self._put(field, field["type"], content))
            elif content != default(field):
                tagged.append((field["tag"], self._put(field, field["type"], content)))
        if self.is_flexible:
            out.append(varint(len(tagged)))
            out += [varint(tag) + varint(len(content)) + content for tag, content in sorted(tagged)]
        return b"".join(out)

    def _length(self, count, form):
        return varint(count + 1) if self.is_flexible else struct.pack(form, count)

    def _put(self, field, kind, content):
        """Null is written where the schema does not allow it too: servers have to withstand that."""
        if kind in NUMBERS:
            return struct.pack(NUMBERS[kind], content)
        if kind == "bool":
            return bytes([content])
        if kind == "uuid":
            return content
        if kind in ("string", "bytes", "records"):
            form = ">h" if kind == "string" else ">i"
            if content is None:
                return self._length(-1, form)
            content = content.encode() if isinstance(content, str) else content
            return self._length(len(content), form) + content
        if kind.startswith("[]"):
            if content is None:
                return self._length(-1, ">i")
            element = {**field, "nullableVersions": "none"}
            return self._length(len(content), ">i") + b"".join(self._put(element, kind[2:], one) for one in content)
        fields = field.get("fields") or self.commons[kind]
        if covers(field.get("nullableVersions"), self.version):
            return b"\xff" if content is None else b"\x01" + self._put_struct(fields, content)
        return self._put_struct(fields, content)

    def _get_struct(self, fields, reader):
        value, tagged = {}, {}
        for field in fields:
            if not covers(field["versions"], self.version):
                continue
            if self._is_tagged(field):
                tagged[field["tag"]] = field
                value[field["name"]] = default(field)
            else:
                value[field["name"]] = self._get(field, field["type"], reader)
        if self.is_flexible:
            self.tags(reader, tagged, value)
        return value

    def tags(self, reader, tagged, value):
        for _ in range(reader.varint()):
            tag, content = reader.varint(), Reader(reader.take(reader.varint()))
            if tag in tagged:
                value[tagged[tag]["name"]] = self._get(tagged[tag], tagged[tag]["type"], content)
            else:
                value[f"Tag{tag}"] = content.data

    def _count(self, reader, form):
        return reader.varint() - 1 if self.is_flexible else reader.number(form)

    def _get(self, field, kind, reader):
        if kind in NUMBERS:
            return reader.number(NUMBERS[kind])
        if kind == "bool":
            return reader.take(1) != b"\0"
        if kind == "uuid":
            return reader.take(16)
        if kind in ("string", "bytes", "records"):
            count = self._count(reader, ">h" if kind == "string" else ">i")
            content = None if count < 0 else reader.take(count)
            return content.decode(errors="replace") if kind == "string" and content is not None else content
        if kind.startswith("[]"):
            count = self._count(reader, ">i")
            if count > ELEMENTS_MAX:
                raise ValueError(f"{field['name']} has {count} elements")
            element = {**field, "nullableVersions": "none"}
            return None if count < 0 else [self._get(element, kind[2:], reader) for _ in range(count)]
        fields = field.get("fields") or self.commons[kind]
        if covers(field.get("nullableVersions"), self.version) and reader.take(1) == b"\xff":
            return None
        return self._get_struct(fields, reader)


def spelled(fields, value):
    """Puts a topic (key `topic`) into the fields that name one, by name and by id; a field that no version has is a mistake."""
    names = {field["name"] for field in fields}
    value = dict(value)
    if "topic" in value:
        topic = value.pop("topic")
        value.update({name: topic.name for name in ("Name", "Topic", "TopicName") if name in names})
        if "TopicId" in names:
            value["TopicId"] = topic.id
    if unknown := value.keys() - names:
        raise KeyError(f"no such field: {', '.join(sorted(unknown))}")
    return value
