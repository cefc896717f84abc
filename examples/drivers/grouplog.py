"""A toy engine whose commits share syncs, as a driver that takes requests of several clients at once (`concurrent`). docs/drivers.md.

    chaos run --target 'driver:python3 examples/drivers/grouplog.py' scenarios/drivers
    chaos run --target 'driver:python3 examples/drivers/grouplog.py early-answer' scenarios/drivers/driver-concurrent.toml

With the name of a bug it has that bug, which chaos must find: see BUGS.

All rows are in one log. A record starts at a sector of its own. What is asked for while the log is being synced waits, and is then written and synced together.
"""

import json
import os
import queue
import struct
import sys
import threading
import zlib

BUGS = {
    "early-answer": "acknowledges all but the first of a group before the sync that they share",
    "late-joiner": "acknowledges what was written while the log was being synced together with what was written before",
}
BUG = sys.argv[1] if len(sys.argv) > 1 else None
SECTOR = 512
HEADER = struct.Struct("<4sQII")  # magic, offset, length of the payload, checksum
MAGIC = b"GLOG"


def packed(offset, payload):
    head = struct.pack("<4sQI", MAGIC, offset, len(payload))
    record = head + struct.pack("<I", zlib.crc32(payload, zlib.crc32(head))) + payload
    return record + bytes(-len(record) % SECTOR)


def unpacked(log, offset):
    """The payload of the record at an offset, or nothing if there is no whole one."""
    if len(log) < offset + HEADER.size:
        return None
    magic, at, length, crc = HEADER.unpack_from(log, offset)
    payload = log[offset + HEADER.size : offset + HEADER.size + length]
    head = struct.pack("<4sQI", MAGIC, offset, length)
    if magic != MAGIC or at != offset or len(payload) < length or crc != zlib.crc32(payload, zlib.crc32(head)):
        return None
    return payload


class Store:
    """The log and its rows. Only the committing thread writes."""

    def __init__(self, directory, mode):
        path = os.path.join(directory, "log")
        flags = os.O_RDWR | (os.O_CREAT if mode == "create-or-open" else 0)
        self.log = os.open(path, flags, 0o644)
        self.rows, self.end, self.failed = {}, 0, False
        content = os.pread(self.log, os.fstat(self.log).st_size, 0)
        while (payload := unpacked(content, self.end)) is not None:
            self.apply(payload)
            self.end += len(packed(self.end, payload))
        # What a cache shows need not be on the disk.
        self.write(content[: self.end], 0)
        os.ftruncate(self.log, self.end)
        os.fsync(self.log)
        for path in (directory, os.path.dirname(directory)):
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def apply(self, payload):
        for _, key, *value in json.loads(payload):
            if value:
                self.rows[key] = value[0]
            else:
                self.rows.pop(key, None)

    def write(self, data, offset):
        while data:
            count = os.pwrite(self.log, data, offset)
            data, offset = data[count:], offset + count

    def append(self, ops):
        payload = json.dumps(ops).encode()
        record = packed(self.end, payload)
        self.write(record, self.end)
        self.end += len(record)
        self.apply(payload)


class Driver:
    def __init__(self):
        self.store = None
        self.commits = queue.Queue()
        self.speaking = threading.Lock()
        self.working = threading.Lock()
        threading.Thread(target=self.commit_groups, daemon=True).start()

    def say(self, answer):
        with self.speaking:
            print(json.dumps(answer), flush=True)

    def fail(self, request, error):
        kind = "full" if getattr(error, "errno", 0) in (28, 122) else "io"
        self.say({"id": request["id"], "ok": False, "kind": kind, "error": str(error)})

    def waiting(self):
        """All commits that wait by now."""
        while True:
            try:
                yield self.commits.get_nowait()
            except queue.Empty:
                return

    def commit_groups(self):
        while True:
            group = [self.commits.get(), *self.waiting()]
            with self.working:
                self.commit_group(group)

    def commit_group(self, group):
        store, answered = self.store, 0
        try:
            if store.failed:
                raise OSError(5, "an earlier write failed")
            for request in group:
                store.append(request["ops"])
            if BUG == "early-answer":
                while answered < len(group) - 1:
                    answered += 1
                    self.say({"id": group[answered]["id"], "ok": True})
                group = group[:1]
                answered = 0
            if BUG == "late-joiner":
                syncing = threading.Thread(target=os.fsync, args=[store.log])
                syncing.start()
                syncing.join(0.001)
                for request in self.waiting():
                    store.append(request["ops"])
                    group.append(request)
                syncing.join()
            else:
                os.fsync(store.log)
            for request in group:
                self.say({"id": request["id"], "ok": True})
        except OSError as error:
            store.failed = True
            for request in group:
                self.fail(request, error)

    def take(self, request):
        """Answers a request, unless it is a commit, which is answered with its group."""
        answer = {"id": request.get("id"), "ok": True}
        op = request["op"]
        if op == "hello":
            answer |= {"protocol": 1, "name": "grouplog", "version": "1"}
            answer["capabilities"] = ["delete", "multi", "scan", "concurrent"]
            levels = {"sync": {"process": "durable", "power": "durable"}}
            answer["promises"] = {"levels": levels, "damage": "nothing", "shown": "durable"}
        elif op == "open":
            if request.get("options"):
                raise ValueError(f"unknown options {request['options']}")
            self.store = Store(request["dir"], request["mode"])
        elif op == "commit":
            return self.commits.put(request)
        else:
            # Nothing else is asked while commits are outstanding, but for `get`.
            with self.working:
                rows = self.store.rows
                if op == "get":
                    answer["value"] = rows.get(request["key"])
                elif op == "scan":
                    answer["rows"] = [[key, rows[key]] for key in sorted(rows)]
                elif op == "close":
                    os.close(self.store.log)
                    self.store = None
                else:
                    answer |= {"ok": False, "kind": "unsupported", "error": op}
        self.say(answer)


def main():
    if BUG is not None and BUG not in BUGS:
        sys.exit(f"grouplog: unknown bug {BUG}: expected one of {', '.join(BUGS)}")
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            driver.take(request)
        except OSError as error:
            driver.fail(request, error)
        except (ValueError, AttributeError) as error:
            driver.say({"id": request.get("id"), "ok": False, "kind": "other", "error": str(error)})


main()
