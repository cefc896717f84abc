"""SQLite as a driver with clients, transactions and tables: each client has a connection of its own. docs/drivers.md.

    chaos run --target 'driver:python3 examples/drivers/sqlite_transactions.py' scenarios/drivers
"""

import json
import sqlite3
import sys

ALL = ["delete", "multi", "scan", "verify", "clients", "transactions", "tables"]
LEVELS = {"sync": {"process": "durable", "power": "durable"}}


class Driver:
    def __init__(self):
        self.path, self.connections = None, {}

    def connection(self, client):
        if client not in self.connections:
            db = sqlite3.connect(self.path, isolation_level=None, timeout=0)
            db.execute("pragma synchronous=extra")
            self.connections[client] = db
        return self.connections[client]

    def open(self, request):
        if request.get("options"):
            raise sqlite3.OperationalError(f"unknown options {request['options']}")
        self.path = request["dir"] + "/db"
        db = self.connection(None)
        db.execute("create table if not exists kv(t text, k blob, v blob, primary key(t, k)) without rowid")

    def answer(self, request):
        op, db = request["op"], None
        if op == "hello":
            promises = {"levels": LEVELS, "damage": "nothing"}
            return {"protocol": 1, "name": "sqlite-transactions", "version": sqlite3.sqlite_version, "capabilities": ALL, "promises": promises}
        if op == "open":
            self.open(request)
            return {}
        if op == "close":
            for db in self.connections.values():
                db.close()
            self.connections = {}
            return {}
        if op not in ("begin", "put", "del", "get", "scan", "commit", "rollback", "verify"):
            return {"ok": False, "kind": "unsupported", "error": op}
        db, table = self.connection(request.get("client")), request.get("table", "")
        key = bytes.fromhex(request.get("key", ""))
        if op == "begin":
            db.execute("begin")
            # What it reads is of now, not of its first read.
            db.execute("select count(*) from sqlite_master").fetchone()
        elif op == "put":
            db.execute("replace into kv values(?, ?, ?)", (table, key, bytes.fromhex(request["value"])))
        elif op == "del":
            db.execute("delete from kv where t = ? and k = ?", (table, key))
        elif op == "get":
            row = db.execute("select v from kv where t = ? and k = ?", (table, key)).fetchone()
            return {"value": row and row[0].hex()}
        elif op == "scan":
            rows = db.execute("select k, v from kv where t = ? order by k", (table,)).fetchall()
            return {"rows": [[key.hex(), value.hex()] for key, value in rows]}
        elif op == "commit":
            if "ops" in request:
                self.commit(db, table, request["ops"])
            else:
                db.execute("commit")
        elif op == "rollback" and db.in_transaction:
            db.execute("rollback")
        elif op == "verify":
            found = [row[0] for row in db.execute("pragma integrity_check")]
            return {"problems": [problem for problem in found if problem != "ok"]}
        return {}

    def commit(self, db, table, ops):
        db.execute("begin immediate")
        for kind, key, *value in ops:
            if kind == "put":
                db.execute("replace into kv values(?, ?, ?)", (table, bytes.fromhex(key), bytes.fromhex(value[0])))
            else:
                db.execute("delete from kv where t = ? and k = ?", (table, bytes.fromhex(key)))
        db.execute("commit")

    def failed(self, request, error):
        text = str(error)
        db = self.connections.get(request.get("client"))
        if db is not None and db.in_transaction:
            try:
                db.execute("rollback")
            except sqlite3.Error:
                pass
        kinds = [("malformed", "corruption"), ("not a database", "corruption"), ("full", "full"), ("locked", "busy"), ("I/O", "io"), ("unable to open", "io")]
        kind = next((kind for part, kind in kinds if part in text), "other")
        return {"ok": False, "kind": kind, "error": text}


def main():
    driver = Driver()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **driver.answer(request)}
        except sqlite3.Error as error:
            answer = driver.failed(request, error)
        print(json.dumps({"id": request.get("id"), **answer}), flush=True)


main()
