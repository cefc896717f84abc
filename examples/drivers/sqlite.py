"""SQLite, by Python's own module, as a driver: docs/drivers.md.

    chaos run --target 'driver:python3 examples/drivers/sqlite.py' scenarios/drivers

Options: synchronous, journal_mode, page_size.
"""

import json
import sqlite3
import sys

OPTIONS = {"synchronous", "journal_mode", "page_size"}


class Refused(Exception):
    pass


def open_database(request):
    options = {"synchronous": "extra"} | request.get("options", {})
    for name in options:
        if name not in OPTIONS:
            raise Refused(f"unknown option {name}")
    db = sqlite3.connect(request["dir"] + "/db", isolation_level=None, timeout=0)
    for name in sorted(options):
        db.execute(f"pragma {name}={options[name]}")
    db.execute("create table if not exists kv(k blob primary key, v blob) without rowid")
    return db


def commit(db, ops):
    db.execute("begin immediate")
    for kind, key, *value in ops:
        if kind == "put":
            row = (bytes.fromhex(key), bytes.fromhex(value[0]))
            db.execute("replace into kv values(?, ?)", row)
        else:
            db.execute("delete from kv where k = ?", (bytes.fromhex(key),))
    db.execute("commit")


def get(db, key):
    row = db.execute("select v from kv where k = ?", (bytes.fromhex(key),)).fetchone()
    return row and hex_of(row[0])


def hex_of(value):
    if not isinstance(value, bytes):
        raise sqlite3.DatabaseError(f"malformed row: {value!r} is not a blob")
    return value.hex()


def kind_of(text):
    if "malformed" in text or "not a database" in text:
        return "corruption"
    if "full" in text:
        return "full"
    if "locked" in text:
        return "busy"
    return "io" if "I/O" in text or "unable to open" in text else "other"


def main():
    db = None
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request.get("id"), "ok": True}
        op = request["op"]
        try:
            if op == "hello":
                capabilities = ["delete", "multi", "scan", "checkpoint", "verify"]
                # https://sqlite.org/atomiccommit.html, 2: SQLite adds no redundancy by which damage could be found, and takes what it reads for what it wrote.
                answer["promises"] = {"levels": {"sync": {"process": "durable", "power": "durable"}}, "damage": "nothing"}
                answer |= {"protocol": 1, "name": "sqlite", "version": sqlite3.sqlite_version, "capabilities": capabilities}
            elif op == "open":
                db = open_database(request)
            elif op == "commit":
                commit(db, request["ops"])
            elif op == "get":
                answer["value"] = get(db, request["key"])
            elif op == "scan":
                rows = db.execute("select k, v from kv order by k")
                answer["rows"] = [[hex_of(key), hex_of(value)] for key, value in rows]
            elif op == "checkpoint":
                db.execute("pragma wal_checkpoint(passive)").fetchall()
            elif op == "verify":
                found = [row[0] for row in db.execute("pragma integrity_check")]
                answer["problems"] = [problem for problem in found if problem != "ok"]
            elif op == "close":
                db.close()
                db = None
            else:
                answer |= {"ok": False, "kind": "unsupported", "error": op}
        except (sqlite3.Error, Refused) as error:
            if db is not None and db.in_transaction:
                try:
                    db.execute("rollback")
                except sqlite3.Error:
                    pass
            answer |= {"ok": False, "kind": kind_of(str(error)), "error": str(error)}
        print(json.dumps(answer), flush=True)


main()
