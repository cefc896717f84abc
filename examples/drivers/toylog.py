"""A toy engine as a driver: a log, and a snapshot that takes its place. docs/drivers.md.

    chaos run --target 'driver:python3 examples/drivers/toylog.py' scenarios/drivers
    chaos run --target 'driver:python3 examples/drivers/toylog.py no-fsync' scenarios/drivers

With the name of a bug it has that bug, which chaos must find: see BUGS.

`data` holds the rows as of a generation, `log.N` what was committed in generation N. A record of the log starts at a sector of its own and
is synced before its commit is answered, so at most the newest can be torn: one that is damaged with a whole one after it is damage.
"""

import json
import os
import struct
import sys
import time
import zlib

BUGS = {
    "no-fsync": "acknowledges before the log is synced",
    "no-directory-sync": "forgets to sync the directory after a rename",
    "no-checksum": "takes every record for whole",
    "cut-at-damage": "takes damage in the log for its end",
    "ignore-failed-sync": "acknowledges though the sync failed",
    "drop-last-on-close": "cuts the newest record off when it closes",
    "hang": "does not answer one of its commits",
    "garbage": "answers one of its commits in words",
    "exit": "ends in the middle of a commit",
}
BUG = sys.argv[1] if len(sys.argv) > 1 else None
SECTOR = 512
MAGIC = b"TLOG"
HEADER = struct.Struct("<4sIQI")  # magic, generation, length of the payload, checksum
CHECKPOINT_LEN = 24 * 1024


class Corruption(Exception):
    pass


def checksum(generation, offset, payload):
    return zlib.crc32(payload, zlib.crc32(struct.pack("<IQ", generation, offset)))


def packed(generation, offset, payload):
    head = HEADER.pack(MAGIC, generation, len(payload), checksum(generation, offset, payload))
    record = head + payload
    return record + bytes(-len(record) % SECTOR)


def unpacked(data, offset, generation):
    """The payload of the record at an offset, or nothing if there is no whole one."""
    if len(data) < offset + HEADER.size:
        return None
    magic, of, length, crc = HEADER.unpack_from(data, offset)
    payload = data[offset + HEADER.size : offset + HEADER.size + length]
    if magic != MAGIC or of != generation or len(payload) < length:
        return None
    if BUG != "no-checksum" and crc != checksum(generation, offset, payload):
        return None
    return payload


def rows_of(payload):
    """Keys and values; no value for a row that is deleted."""
    at, rows = 0, []
    while at < len(payload):
        key_len, value_len = struct.unpack_from("<Hi", payload, at)
        at += 6
        key = payload[at : at + key_len]
        at += key_len
        value = None if value_len < 0 else payload[at : at + value_len]
        at += max(value_len, 0)
        rows.append((key, value))
    return rows


def payload_of(rows):
    parts = []
    for key, value in rows:
        parts.append(struct.pack("<Hi", len(key), -1 if value is None else len(value)) + key)
        parts.append(value or b"")
    return b"".join(parts)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def sync(fd):
    try:
        os.fsync(fd)
    except OSError:
        if BUG != "ignore-failed-sync":
            raise


def write_all(fd, data, offset):
    while data:
        count = os.pwrite(fd, data, offset)
        data, offset = data[count:], offset + count


class Store:
    def __init__(self, directory, mode):
        self.directory = directory
        self.failed = False
        self.log = None
        if mode == "create-or-open" and not os.path.exists(self.path("data")):
            self.rows = {}
            self.generation = 0
            self.new_generation(0)
        self.sync_directory()
        self.recover()

    def path(self, name):
        return os.path.join(self.directory, name)

    def sync_directory(self):
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            sync(fd)
        finally:
            os.close(fd)

    def recover(self):
        data = read_file(self.path("data"))
        if len(data) < HEADER.size:
            raise Corruption("data is too short")
        self.generation = HEADER.unpack_from(data)[1]
        payload = unpacked(data, 0, self.generation)
        if payload is None:
            raise Corruption("data is damaged")
        self.rows = dict(rows_of(payload))
        name = self.path(f"log.{self.generation}")
        if not os.path.exists(name):
            raise Corruption("the log is gone")
        log = read_file(name)
        offset, last = 0, None
        while (payload := unpacked(log, offset, self.generation)) is not None:
            for key, value in rows_of(payload):
                self.apply(key, value)
            last = offset
            offset += len(packed(self.generation, offset, payload))
        rest = range(offset + SECTOR, len(log), SECTOR)
        if BUG not in ("cut-at-damage", "no-checksum") and any(unpacked(log, at, self.generation) is not None for at in rest):
            raise Corruption(f"the log is damaged at {offset}")
        self.log = os.open(name, os.O_RDWR)
        self.end, self.last = offset, last
        # What a cache shows need not be on the disk: the newest record is written again.
        if last is not None:
            write_all(self.log, log[last:offset], last)
        os.ftruncate(self.log, offset)
        sync(self.log)
        for old in os.listdir(self.directory):
            if old not in ("data", f"log.{self.generation}"):
                os.unlink(self.path(old))

    def apply(self, key, value):
        if value is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = value

    def commit(self, rows):
        if self.failed:
            raise OSError(5, "an earlier write failed")
        record = packed(self.generation, self.end, payload_of(rows))
        try:
            write_all(self.log, record, self.end)
            if BUG != "no-fsync":
                sync(self.log)
        except OSError:
            self.failed = True
            raise
        self.last, self.end = self.end, self.end + len(record)
        for key, value in rows:
            self.apply(key, value)
        if self.end > CHECKPOINT_LEN:
            self.checkpoint()

    def checkpoint(self):
        if self.failed:
            raise OSError(5, "an earlier write failed")
        try:
            old = self.path(f"log.{self.generation}")
            self.new_generation(self.generation + 1)
            if self.log is not None:
                os.close(self.log)
            self.log = os.open(self.path(f"log.{self.generation}"), os.O_RDWR)
            self.end, self.last = 0, None
            os.unlink(old)
        except OSError:
            # The commit that led here is durable, but nobody knows in which generation.
            self.failed = True

    def new_generation(self, generation):
        """Makes the rows the snapshot of a generation whose log is empty."""
        names = [self.path(f"log.{generation}"), self.path("data.new")]
        for name, content in zip(names, [b"", packed(generation, 0, payload_of(self.rows.items()))]):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            try:
                write_all(fd, content, 0)
                sync(fd)
            finally:
                os.close(fd)
        self.sync_directory()
        os.rename(self.path("data.new"), self.path("data"))
        if BUG != "no-directory-sync":
            self.sync_directory()
        self.generation = generation

    def close(self):
        if BUG == "drop-last-on-close" and self.last is not None:
            os.ftruncate(self.log, self.last)
        os.close(self.log)


class Driver:
    def __init__(self):
        self.store = None
        self.commits = 0

    def hello(self, request, answer):
        answer |= {"protocol": 1, "name": "toylog", "version": "1"}
        answer["capabilities"] = ["delete", "multi", "scan", "checkpoint"]
        levels = {"sync": {"process": "durable", "power": "durable"}}
        answer["promises"] = {"levels": levels, "damage": "detected", "shown": "durable"}

    def open(self, request, answer):
        if request.get("options"):
            raise ValueError(f"unknown options {request['options']}")
        self.commits = 0
        self.store = None
        self.store = Store(request["dir"], request["mode"])

    def commit(self, request, answer):
        self.commits += 1
        if self.commits == 5:
            self.misbehave()
        rows = [(bytes.fromhex(key), bytes.fromhex(value[0]) if value else None) for _, key, *value in request["ops"]]
        self.store.commit(rows)

    def misbehave(self):
        if BUG == "hang":
            time.sleep(1e6)
        elif BUG == "garbage":
            print("Segment 5 flushed, all is well", flush=True)
        elif BUG == "exit":
            sys.exit("toylog: out of luck")

    def get(self, request, answer):
        value = self.store.rows.get(bytes.fromhex(request["key"]))
        answer["value"] = None if value is None else value.hex()

    def scan(self, request, answer):
        answer["rows"] = [[key.hex(), value.hex()] for key, value in sorted(self.store.rows.items())]

    def checkpoint(self, request, answer):
        self.store.checkpoint()

    def close(self, request, answer):
        if self.store is None:
            raise ValueError("nothing is open")
        self.store.close()
        self.store = None


OPS = ["hello", "open", "commit", "get", "scan", "checkpoint", "close"]


def main():
    if BUG is not None and BUG not in BUGS:
        sys.exit(f"toylog: unknown bug {BUG}: expected one of {', '.join(BUGS)}")
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request.get("id"), "ok": True}
        try:
            if request["op"] in OPS:
                getattr(driver, request["op"])(request, answer)
            else:
                answer |= {"ok": False, "kind": "unsupported", "error": request["op"]}
        except Corruption as error:
            answer = {"id": request.get("id"), "ok": False, "kind": "corruption", "error": str(error)}
        except OSError as error:
            kind = "full" if error.errno in (28, 122) else "io"
            answer = {"id": request.get("id"), "ok": False, "kind": kind, "error": str(error)}
        except ValueError as error:
            answer = {"id": request.get("id"), "ok": False, "kind": "other", "error": str(error)}
        print(json.dumps(answer), flush=True)


main()
