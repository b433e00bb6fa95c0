"""Links and Python's own Listener and Client, both ways, with every CPython of the machine. Usage: interop.py TOOL"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
from pythons import pythons
from tally import check, end

tool = sys.argv[1]

CLIENT = """
import sys
from multiprocessing.connection import Client
from multiprocessing import AuthenticationError
address, key = sys.argv[1], sys.argv[2].encode() or None
if address[0] not in '/@': host, port = address.rsplit(':', 1); address = (host, int(port))
elif address[0] == '@': address = '\\0' + address[1:]
try:
    c = Client(address, authkey=key)
except (AuthenticationError, EOFError, ConnectionError) as e:
    print(type(e).__name__); sys.exit()
for value in [1, 'text', [1, {'a': (2.5, None)}], b'x' * 3000000, {1, 2}, 2 ** 100, ValueError('v'), float('inf')]:
    c.send(value)
    back = c.recv()
    assert repr(back) == repr(value), back
c.send('stop')
print('fine')
"""

SERVER = """
import sys
from multiprocessing.connection import Listener
from multiprocessing import AuthenticationError
address, key = sys.argv[1], sys.argv[2].encode() or None
if address[0] not in '/@': host, port = address.rsplit(':', 1); address = (host, int(port))
elif address[0] == '@': address = '\\0' + address[1:]
with Listener(address, authkey=key) as l:
    a = l.address
    print(a if isinstance(a, str) else '@' + a[1:].decode() if isinstance(a, bytes) else '%s:%d' % a, flush=True)
    try:
        c = l.accept()
        while True: c.send(c.recv())
    except (EOFError, AuthenticationError) as e:
        print(type(e).__name__)
"""


def run(server, client):
    """What client (given the address) and then server print."""
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as s:
        address = s.stdout.readline().strip()
        c = subprocess.run([w.replace("ADDRESS", address) for w in client], capture_output=True, text=True, timeout=60)
        out, err = s.communicate(timeout=60)
    return c.stdout.split("\n")[:-1] or c.stderr, out.split("\n")[:-1], err


with tempfile.TemporaryDirectory() as directory:
    for version, python in pythons().items():
        old = tuple(map(int, version.split("."))) < (3, 12)
        for number, address in enumerate([f"{directory}/{version}", f"@prong-test-{os.getpid()}", "127.0.0.1:0"]):
            for key in ("", "a secret"):
                if number == 2 and not key:
                    continue
                name = f"Python {version}, {['path', 'abstract', 'TCP'][number]}, {'key' if key else 'no key'}"
                allow = ["md5"] if key and old else []
                out, _, err = run([tool, "listen", address, key, *allow], [python, "-c", CLIENT, "ADDRESS", key])
                check(f"{name}: a Python client of ours", out == ["fine"], (out, err))
                out, _, err = run([python, "-c", SERVER, address, key], [tool, "connect", "ADDRESS", key, *allow])
                check(f"{name}: our client of Python's", out == ["same"] * 3, (out, err))
        address = f"{directory}/wrong-{version}"
        allow = ["md5"] if old else []
        out, said, _ = run([tool, "listen", address, "right", *allow], [python, "-c", CLIENT, "ADDRESS", "wrong"])
        check(f"Python {version} with a wrong key is refused by us", out == ["AuthenticationError"]
              and "another authkey" in " ".join(said), (out, said))
        out, said, _ = run([python, "-c", SERVER, address, "right"], [tool, "connect", "ADDRESS", "wrong", *allow])
        check(f"Python {version} refuses our wrong key", "refuses our answer" in " ".join(out)
              and said == ["AuthenticationError"], (out, said))
        if old:
            out, said, _ = run([tool, "listen", address, "right"], [python, "-c", CLIENT, "ADDRESS", "right"])
            check(f"Python {version}'s MD5 is refused where not allowed", "fine" not in out
                  and "allow_md5" in " ".join(said), (out, said))

end()
