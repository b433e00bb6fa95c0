"""Managers between C and Python, both ways, with every CPython of the machine. Usage: interop.py SERVER-TOOL CLIENT-TOOL"""
import os
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "support"))
from pythons import pythons
from tally import check, end

server_tool, client_tool = sys.argv[1:]

PYTHON_SERVER = """
import multiprocessing, sys
from multiprocessing.managers import SyncManager
class Gen:
    def echo(self, *args): return list(args)
    def boom(self, x): return 1 // x
class M(SyncManager): pass
M.register('Gen', Gen)
if __name__ == '__main__':
    address = sys.argv[1]
    if address[0] == '@': address = '\\0' + address[1:]
    elif address[0] != '/': address = (address.rsplit(':', 1)[0], int(address.rsplit(':', 1)[1]))
    multiprocessing.current_process().authkey = sys.argv[2].encode()
    server = M(address, authkey=sys.argv[2].encode()).get_server()
    a = server.address
    print(a if isinstance(a, str) else '@' + a[1:].decode() if isinstance(a, bytes) else '%s:%d' % a, flush=True)
    server.serve_forever()
"""

WANTED = """__setitem__: None
__getitem__: [1, None, 2.5]
__getitem__: PRONG_NOT_FOUND
keys: ['a', 'b']
__len__: 2
sort: None
__getitem__: 3
pop: 1
__getitem__: PRONG_NOT_FOUND
put: None
put: PRONG_FULL
get: 'job'
get: PRONG_EMPTY
__setattr__: None
__getattribute__: 5
__getattribute__: PRONG_NOT_FOUND
acquire: PRONG_OK
acquire again: PRONG_TIMEOUT
unlock: PRONG_OK
unlock again: PRONG_REMOTE_ERROR
rlock: PRONG_OK
rlock again: PRONG_OK
wait: False
set: None
is_set: True
set: None
get: 8
__getitem__: 2
semaphore: PRONG_REMOTE_ERROR
semaphore: PRONG_OK
wait: 0
GEN__setitem__: None
append: None
__getitem__: 'through nested'
released: 1
shutdown: PRONG_OK
"""


def run(server, client):
    with subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as s:
        address = s.stdout.readline().strip()
        try:
            c = subprocess.run([w.replace("ADDRESS", address) for w in client], capture_output=True, text=True, timeout=120)
            return c.stdout, c.stderr
        finally:
            s.terminate()
            s.communicate(timeout=20)


with tempfile.TemporaryDirectory() as directory:
    for version, python in pythons().items():
        old = tuple(map(int, version.split("."))) < (3, 12)
        allow = ["md5"] if old else []
        script = os.path.join(directory, f"server-{version}.py")
        with open(script, "w") as file:
            file.write(PYTHON_SERVER)
        addresses = {"path": f"{directory}/{version}.sock", "TCP": "127.0.0.1:0", "abstract": f"@prong-m-{os.getpid()}"}
        for kind, address in addresses.items():
            out, err = run([server_tool, address, "a key", *allow],
                           [python, os.path.join(here, "python_client.py"), "ADDRESS", "a key", "prong"])
            check(f"Python {version} uses a prong server by {kind}", out == "fine\n", err[-1500:])
            if kind == "path":
                address += "-python"
            out, err = run([python, script, address, "a key"], [client_tool, "ADDRESS", "a key", *allow])
            wanted = WANTED.replace("GEN", "echo: [1, 'two']\nboom: PRONG_REMOTE_ERROR\n")
            check(f"C uses Python {version}'s server by {kind}", out == wanted, (out, err[-1500:]))
    out, err = run([server_tool, f"{directory}/own.sock", "a key"], [client_tool, "ADDRESS", "a key"])
    check("C uses a prong server", out == WANTED.replace("GEN", ""), (out, err))

end()
