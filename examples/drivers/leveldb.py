"""LevelDB, or RocksDB, by the C interface of the system's library, as a driver: docs/drivers.md.

    chaos run --target 'driver:python3 examples/drivers/leveldb.py' scenarios/drivers
    chaos run --target 'driver:python3 examples/drivers/leveldb.py rocksdb' scenarios/drivers

Debian: libleveldb1d, librocksdb7.8. Options: write_buffer_size (bytes; 65536, so that tables are written within a short workload).

At `sync` every write sets `sync`, of which LevelDB's page says: "the write operation does not return until the data being written has been
pushed all the way to persistent storage" (doc/index.md), and RocksDB's "the write will be flushed from the operating system buffer
cache before the write is considered complete" (options.h). Neither promises that damage is found on every read.
"""

import ctypes
import ctypes.util
import json
import os
import re
import sys

P, SIZE = ctypes.c_void_p, ctypes.c_size_t
ERROR = ctypes.POINTER(ctypes.c_void_p)

# Results and arguments of the functions that are used; both libraries have them, each under its own prefix.
FUNCTIONS = {
    "open": (P, [P, ctypes.c_char_p, ERROR]),
    "close": (None, [P]),
    "write": (None, [P, P, P, ERROR]),
    "get": (P, [P, P, ctypes.c_char_p, SIZE, ctypes.POINTER(SIZE), ERROR]),
    "compact_range": (None, [P, ctypes.c_char_p, SIZE, ctypes.c_char_p, SIZE]),
    "free": (None, [P]),
    "create_iterator": (P, [P, P]),
    "iter_seek_to_first": (None, [P]),
    "iter_valid": (ctypes.c_ubyte, [P]),
    "iter_next": (None, [P]),
    "iter_key": (P, [P, ctypes.POINTER(SIZE)]),
    "iter_value": (P, [P, ctypes.POINTER(SIZE)]),
    "iter_get_error": (None, [P, ERROR]),
    "iter_destroy": (None, [P]),
    "options_create": (P, []),
    "options_set_create_if_missing": (None, [P, ctypes.c_ubyte]),
    "options_set_write_buffer_size": (None, [P, SIZE]),
    "readoptions_create": (P, []),
    "readoptions_set_verify_checksums": (None, [P, ctypes.c_ubyte]),
    "writeoptions_create": (P, []),
    "writeoptions_set_sync": (None, [P, ctypes.c_ubyte]),
    "writebatch_create": (P, []),
    "writebatch_put": (None, [P, ctypes.c_char_p, SIZE, ctypes.c_char_p, SIZE]),
    "writebatch_delete": (None, [P, ctypes.c_char_p, SIZE]),
    "writebatch_destroy": (None, [P]),
}


class Failed(Exception):
    pass


class Library:
    def __init__(self, name):
        path = ctypes.util.find_library(name)
        if path is None:
            sys.exit(f"lib{name} is not installed")
        library = ctypes.CDLL(path)
        for function, (result, arguments) in FUNCTIONS.items():
            called = getattr(library, f"{name}_{function}")
            called.restype, called.argtypes = result, arguments
            setattr(self, function, called)
        found = re.search(r"\.so\.([0-9.]+)", os.path.realpath(self.place(library)))
        self.name, self.version = name, found.group(1) if found else "?"

    @staticmethod
    def place(library):
        """Where the library was loaded from: its full version is part of the name."""
        with open("/proc/self/maps") as maps:
            places = [line.split()[-1] for line in maps if library._name.split(".so")[0] in line]
        return places[0] if places else library._name

    def checked(self, function, *arguments):
        error = ctypes.c_void_p()
        result = getattr(self, function)(*arguments, ctypes.byref(error))
        if error.value:
            text = ctypes.string_at(error.value).decode(errors="replace")
            self.free(error)
            raise Failed(text)
        return result


class Store:
    def __init__(self, library, request):
        options = {"write_buffer_size": "65536"} | request.get("options", {})
        for name in options:
            if name != "write_buffer_size":
                raise Failed(f"unknown option {name}")
        self.library = library
        home = request["dir"] + "/db"
        # The directory's own name is for its user to make durable.
        os.makedirs(home, exist_ok=True)
        parent = os.open(request["dir"], os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)
        settings = library.options_create()
        library.options_set_create_if_missing(settings, request["mode"] == "create-or-open")
        library.options_set_write_buffer_size(settings, int(options["write_buffer_size"]))
        self.reading, self.writing = library.readoptions_create(), library.writeoptions_create()
        library.readoptions_set_verify_checksums(self.reading, 1)
        library.writeoptions_set_sync(self.writing, 1)
        self.db = library.checked("open", settings, home.encode())

    def commit(self, ops):
        batch = self.library.writebatch_create()
        for kind, key, *value in ops:
            key = bytes.fromhex(key)
            if kind == "put":
                value = bytes.fromhex(value[0])
                self.library.writebatch_put(batch, key, len(key), value, len(value))
            else:
                self.library.writebatch_delete(batch, key, len(key))
        try:
            self.library.checked("write", self.db, self.writing, batch)
        finally:
            self.library.writebatch_destroy(batch)

    def get(self, key):
        length = SIZE()
        found = self.library.checked("get", self.db, self.reading, key, len(key), ctypes.byref(length))
        if not found:
            return None
        value = ctypes.string_at(found, length.value)
        self.library.free(found)
        return value.hex()

    def rows(self):
        rows, length = [], SIZE()
        iterator = self.library.create_iterator(self.db, self.reading)
        try:
            self.library.iter_seek_to_first(iterator)
            while self.library.iter_valid(iterator):
                row = []
                for part in (self.library.iter_key, self.library.iter_value):
                    start = part(iterator, ctypes.byref(length))
                    row.append(ctypes.string_at(start, length.value).hex())
                rows.append(row)
                self.library.iter_next(iterator)
            self.library.checked("iter_get_error", iterator)
        finally:
            self.library.iter_destroy(iterator)
        return rows


def kind_of(text):
    if "orruption" in text:
        return "corruption"
    if "No space" in text or "quota" in text:
        return "full"
    return "io" if "IO error" in text or "Errno" in text else "other"


def hello(library):
    levels = {"sync": {"process": "durable", "power": "durable"}}
    capabilities = ["delete", "multi", "scan", "checkpoint"]
    about = {"protocol": 1, "name": library.name, "version": library.version}
    return about | {"capabilities": capabilities, "promises": {"levels": levels}}


def main():
    library, store = Library(sys.argv[1] if len(sys.argv) > 1 else "leveldb"), None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request.get("id"), "ok": True}
        op = request["op"]
        try:
            if op == "hello":
                answer |= hello(library)
            elif op == "open":
                store = Store(library, request)
            elif op == "commit":
                store.commit(request["ops"])
            elif op == "get":
                answer["value"] = store.get(bytes.fromhex(request["key"]))
            elif op == "scan":
                answer["rows"] = store.rows()
            elif op == "checkpoint":
                library.compact_range(store.db, None, 0, None, 0)
            elif op == "close":
                library.close(store.db)
                store = None
            else:
                answer |= {"ok": False, "kind": "unsupported", "error": op}
        except (Failed, ValueError, OSError) as error:
            answer |= {"ok": False, "kind": kind_of(str(error)), "error": str(error)}
        print(json.dumps(answer), flush=True)


main()
