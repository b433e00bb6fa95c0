"""Where processes are that do not get on: a debugger's view of each, or the kernel's where there is no debugger."""

import os
import shutil
import subprocess


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def descendants(of):
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            children.setdefault(parent_of(pid), []).append(int(pid))
        except OSError:  # it has ended
            pass
    found = [of]
    for pid in found:
        found += children.get(pid, [])
    return found[1:]


def read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError as error:
        return error.strerror


def describe(pid):
    text = f"process {pid}: {read(pid, 'cmdline')[:200]}\n  waits in {read(pid, 'wchan')}, system call {read(pid, 'syscall')}"
    if shutil.which("gdb"):
        try:
            run = subprocess.run(["gdb", "-p", str(pid), "-batch", "-nx", "-ex", "thread apply all backtrace 24"],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
            lines = run.stdout.decode(errors="replace").splitlines()
            text += "".join("\n  " + line[:160] for line in lines if line.startswith(("#", "Thread")))
        except subprocess.TimeoutExpired:
            text += "\n  (the debugger does not end)"
    return text


def print_descendants(of=None):
    for pid in descendants(of or os.getpid()):
        print(describe(pid), flush=True)
