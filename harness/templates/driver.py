"""A driver for chaos: docs/drivers.md is the protocol. The rows in a file stand in for your engine.

    chaos driver-check 'python3 chaos-driver.py'
    chaos run --target 'driver:python3 chaos-driver.py' scenarios/drivers
"""

import json
import os
import sys


class Refused(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Database:
    """Your engine goes here: it keeps all its files in `directory`."""

    def __init__(self, directory, mode, options):
        for name in options:
            raise Refused("other", f"unknown option {name}")
        self.directory, self.rows = directory, {}
        path = os.path.join(directory, "rows")
        if os.path.exists(path):
            with open(path) as file:
                self.rows = json.load(file)
        elif mode != "create-or-open":
            raise Refused("other", "there is no database")
        self.write(self.rows)

    def write(self, rows):
        new = os.path.join(self.directory, "new")
        with open(new, "w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, os.path.join(self.directory, "rows"))
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def commit(self, ops):
        rows = dict(self.rows)
        for kind, key, *value in ops:
            if kind == "put":
                rows[key] = value[0]
            else:
                rows.pop(key, None)
        self.write(rows)
        self.rows = rows


def answer_to(request, state):
    op = request["op"]
    if op == "hello":
        return {"protocol": 1, "name": "my-engine", "version": "1", "capabilities": ["delete", "multi", "scan"]}
    if op == "open":
        state["db"] = Database(request["dir"], request["mode"], request.get("options", {}))
        return {}
    if op == "close":
        state["db"] = None
        return {}
    db = state.get("db")
    if db is None and op in ("commit", "get", "scan"):
        raise Refused("other", "nothing is open")
    if op == "commit":
        db.commit(request["ops"])
        return {}
    if op == "get":
        return {"value": db.rows.get(request["key"])}
    if op == "scan":
        return {"rows": sorted(db.rows.items())}
    raise Refused("unsupported", op)


def main():
    state = {}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **answer_to(request, state)}
        except Refused as error:
            answer = {"ok": False, "kind": error.kind, "error": str(error)}
        except ValueError as error:
            answer = {"ok": False, "kind": "corruption", "error": str(error)}
        except OSError as error:
            answer = {"ok": False, "kind": "full" if error.errno in (28, 122) else "io", "error": str(error)}
        print(json.dumps({"id": request.get("id"), **answer}), flush=True)


main()
