"""Pickles that real CPython programs wrote, and malformed ones: what the reader makes of them, and whether CPython reads
what the writer makes of that. Usage: vectors.py TOOL DIRECTORY-OF-VECTORS"""
import json
import os
import pickle
import subprocess
import sys

tool_path, vectors = sys.argv[1:]

tool = subprocess.Popen([tool_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
passed, failed = 0, []


def ask(*words):
    tool.stdin.write(" ".join(words) + "\n")
    tool.stdin.flush()
    return tool.stdout.readline().rstrip("\n")


def check(name, good, detail=""):
    global passed
    if good:
        passed += 1
    else:
        failed.append(name)
        print(f"FAIL {name}: {str(detail)[:600]}")


def canonical(value):
    """The notation with every choice it leaves made one way; ids only where something refers to them."""
    wanted = set()

    def find(v):
        if isinstance(v, dict):
            if "ref" in v:
                wanted.add(v["ref"])
            for one in v.values():
                find(one)
        elif isinstance(v, list):
            for one in v:
                find(one)

    find(value)
    numbers = {}

    def plain(v):
        if isinstance(v, bool) or v is None:
            return v
        if isinstance(v, int):
            return {"int": str(v)}
        if isinstance(v, str):
            return {"str": v.encode("utf-8", "surrogatepass").hex()}
        if "ref" in v:
            return {"ref": numbers.get(v["ref"], v["ref"])}
        out = {}
        if v.get("id") in wanted:
            out["id"] = numbers.setdefault(v["id"], len(numbers) + 1)
        for key, one in v.items():
            if key in ("id", "le", "repr", "readonly"):
                continue
            if key in ("float", "int", "str", "bytes", "bytearray", "global", "call", "new", "buffer", "complex"):
                out[key] = one
            elif key in ("dict", "pairs", "kwargs"):
                out[key] = [[plain(a), plain(b)] for a, b in one]
            elif key == "state":
                out[key] = plain(one)
            elif key in ("set", "frozenset"):
                out[key] = sorted((plain(x) for x in one), key=lambda x: json.dumps(x, sort_keys=True))
            else:
                out[key] = [plain(x) for x in one]
        if "float" in out and int(out["float"], 16) & 0x7fffffffffffffff > 0x7ff0000000000000:
            out["float"] = "nan"
        return out

    return plain(value)


def shown(text):
    return canonical(json.loads(text)) if not text.startswith("error") else text


class Stub:
    def __init__(self, *args, **kwargs):
        self.made = (args, kwargs)

    def __new__(cls, *args, **kwargs):
        return object.__new__(cls)

    def __setstate__(self, state):
        self.state = state

    def append(self, x):
        self.__dict__.setdefault("items", []).append(x)

    def extend(self, xs):
        for x in xs:
            self.append(x)

    def __setitem__(self, k, v):
        self.__dict__.setdefault("pairs", []).append((k, v))

    def __repr__(self):
        return f"{type(self).__name__}{sorted(self.__dict__.items())!r}"


class Lenient(pickle.Unpickler):
    """Reads a class that is not there, or that would connect to a manager, as a stand-in."""

    def find_class(self, module, name):
        if "vecshapes" in module or name in ("RebuildProxy", "rebuild_exc"):
            return type(name, (Stub,), {})
        return super().find_class(module, name)


def python_sees(data):
    import io
    import re

    value = Lenient(io.BytesIO(data)).load()
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


def hashes_by_set(text):
    return "{" in text and ":" not in text


rows = [json.loads(line) for line in open(os.path.join(vectors, "pickles.jsonl"))]
for row in rows:
    name = f"{row['name']} (protocol {row['protocol']}, Python {row['python']})"
    flags = "any" if row["policy"] == "any" else "-"
    buffers = []
    for buffer in row.get("buffers", []):
        data = buffer if isinstance(buffer, str) else buffer.get("hex", buffer.get("bytes", ""))
        buffers.append(f"{data}:1")
    answer = ask("loads", flags, row["hex"], *buffers)
    wanted = canonical(row["value"])
    seen = shown(answer)
    check(name, seen == wanted, f"{answer[:300]} is not {json.dumps(wanted)[:300]}")
    if row["policy"] == "any":
        check(name + ", classes not allowed", ask("loads", "-", row["hex"]).startswith("error PRONG_PERMISSION"))
    if buffers or answer.startswith("error"):
        continue
    try:
        original = python_sees(bytes.fromhex(row["hex"]))
    except Exception:
        original = None  # a newer Python's class, or one that does not take a stand-in
    for protocol in range(6):
        again = ask("dumps", str(protocol), flags, row["hex"])
        check(f"{name}, written with protocol {protocol}, read here", shown(ask("loads", flags, again)) == wanted, again)
        if original is None or "set" in name or "Proxy" in name:
            continue
        try:
            seen = python_sees(bytes.fromhex(again))
        except Exception as e:
            seen = f"{type(e).__name__}: {e}"
        check(f"{name}, written with protocol {protocol}, read by Python", seen == original, f"{seen[:200]} is not {original[:200]}")

for line in open(os.path.join(vectors, "malformed.jsonl")):
    row = json.loads(line)
    data = row["hex"] if row.get("hex") is not None and "parts" not in row else "".join(h * n for h, n in row["parts"])
    answer = ask("loads", "-", data)
    status = answer.split()[1] if answer.startswith("error") else "accepted"
    allowed = {"reject": ("PRONG_INVALID", "PRONG_PERMISSION"), "reject-strict": ("PRONG_INVALID", "PRONG_PERMISSION"),
               "limit": ("PRONG_TOO_LONG",)}[row["verdict"]]
    check(f"malformed: {row['name']}", status in allowed, f"{status}, not {allowed}: {answer[:200]}")

print(f"{passed} passed, {len(failed)} failed")
sys.exit(1 if failed else 0)
