"""What an unmodified Python program sees of a manager's server; run by interop.py with every Python, against both kinds of
server. Usage: python_client.py ADDRESS KEY prong|python"""
import gc
import multiprocessing
import queue
import sys
import threading
import time
from multiprocessing.managers import AutoProxy, SyncManager, dispatch

address, key, kind = sys.argv[1:]
if address[0] == "@":
    address = "\0" + address[1:]
elif address[0] != "/":
    host, port = address.rsplit(":", 1)
    address = (host, int(port))
multiprocessing.current_process().authkey = key.encode()


class Manager(SyncManager):
    pass


Manager.register("Counter")
m = Manager(address, authkey=key.encode())
m.connect()


def raises(exception, function, *args, **kwds):
    try:
        function(*args, **kwds)
    except exception as e:
        return str(e)
    raise AssertionError(f"no {exception.__name__}")


def Set(items=()):
    """A set of the server's, which managers have from 3.14 on, with all that it exposes."""
    token, exposed = m._create("set", items)
    proxy = AutoProxy(token, "pickle", manager=m, authkey=key.encode(), exposed=exposed)
    with m._Client(address, authkey=key.encode()) as connection:
        dispatch(connection, None, "decref", (token.id,))
    return proxy


m.Set = Set
before = m._number_of_objects()

# dict
d = m.dict({"a": 1}, b=2)
assert d["a"] == 1 and len(d) == 2 and d.copy() == {"a": 1, "b": 2} and list(d.keys()) == ["a", "b"]
assert sorted(d.items()) == [("a", 1), ("b", 2)] and "a" in d and "z" not in d and d.get("z", 5) == 5
assert raises(KeyError, d.__getitem__, "zz") == "'zz'"
d[(1, "t")] = [None, True, 2.5, b"x", {"deep": (1, 2)}]
assert d[1, "t"] == [None, True, 2.5, b"x", {"deep": (1, 2)}]
assert d.setdefault("n", 7) == 7 and d.pop("n") == 7 and raises(KeyError, d.pop, "n")
assert list(iter(d)) == ["a", "b", (1, "t")]
d.update({"u": 1}, v=2)
assert d.popitem() == ("v", 2)
assert raises(TypeError, d.__setitem__, [], 1)
assert str(d).startswith("{'a': 1") and "dict" in repr(d)
d.clear()
assert raises(KeyError, d.popitem)

# list
l = m.list([3, 1, 2])
l.append(9)
l.sort()
assert list(l) == [1, 2, 3, 9] and l[1:3] == [2, 3] and l[-1] == 9 and l.pop() == 9 and l.index(2) == 1
l[0:2] = ["x", "y", "z"]
assert l[:] == ["x", "y", "z", 3]
l *= 2
assert l.count("x") == 2
del l[::2]
assert l[:] == ["y", 3, "y", 3] and l + [1] == ["y", 3, "y", 3, 1] and l * 2 == ["y", 3] * 4
l += [5]
l.extend((6,))
l.insert(0, "first")
l.remove("y")
l.reverse()
assert l[:] == [6, 5, 3, "y", 3, "first"]
assert raises(IndexError, l.__getitem__, 99) == "list index out of range"
assert raises(ValueError, l.remove, "none") and raises(TypeError, l.sort)
assert 5 in l and len(l) == 6
assert raises(ValueError, l.__setitem__, slice(None, None, 2), [1])

# Namespace, Value, Array
n = m.Namespace(x=1)
n.y = "two"
assert n.x == 1 and n.y == "two" and str(n) == "Namespace(x=1, y='two')"
del n.y
assert "no attribute 'y'" in raises(AttributeError, lambda: n.y)
v = m.Value("i", 7)
v.value += 1
assert v.value == 8 and str(v) == "Value('i', 8)", str(v)
a = m.Array("i", range(5))
a[1] = 44
assert list(a) == [0, 44, 2, 3, 4] and list(a[1:3]) == [44, 2] and len(a) == 5
assert raises(IndexError, a.__getitem__, 9) and raises(OverflowError, a.__setitem__, 0, 2**40)
assert raises(TypeError, a.__setitem__, 0, "s")

# Queue
q = m.Queue(2)
q.put(1)
q.put({"job": 1})
assert q.full() and not q.empty() and q.qsize() == 2
raises(queue.Full, q.put, 3, timeout=0.05)
raises(queue.Full, q.put_nowait, 3)
assert q.get() == 1 and q.get_nowait() == {"job": 1}
raises(queue.Empty, q.get, timeout=0.05)
raises(queue.Empty, q.get, False)
raises(ValueError, q.get, True, -1)
j = m.JoinableQueue()
j.put("x")


def worker():
    j.get()
    j.task_done()


t = threading.Thread(target=worker)
t.start()
j.join()
t.join()
raises(ValueError, j.task_done)

# locks
k = m.Lock()
assert k.acquire() and not k.acquire(False) and not k.acquire(True, 0.05)
k.release()
raises(RuntimeError, k.release)
r = m.RLock()
assert r.acquire() and r.acquire()
r.release()
r.release()
raises(RuntimeError, r.release)
s = m.Semaphore(2)
assert s.acquire() and s.acquire() and not s.acquire(False)
s.release()
b = m.BoundedSemaphore(1)
raises(ValueError, b.release)
with k:
    assert not k.acquire(False)

# Condition, Event, Barrier
for c in (m.Condition(), m.Condition(m.Lock()) if kind == "prong" else m.Condition()):
    seen = []

    def waiter():
        with c:
            seen.append(c.wait(10))

    t = threading.Thread(target=waiter)
    t.start()
    while not seen:
        time.sleep(0.02)
        with c:
            c.notify()
    t.join()
    assert seen == [True]
    with c:
        assert not c.wait(0.05)
        assert c.wait_for(lambda: True, 1)
    raises(RuntimeError, c.notify)
e = m.Event()
assert not e.is_set() and not e.wait(0.05)
e.set()
assert e.is_set() and e.wait()
e.clear()
bar = m.Barrier(2)
got = []
t = threading.Thread(target=lambda: got.append(bar.wait()))
t.start()
got.append(bar.wait())
t.join()
assert sorted(got) == [0, 1] and bar.parties == 2 and bar.n_waiting == 0 and not bar.broken
raises(threading.BrokenBarrierError, bar.wait, 0.05)
assert bar.broken
bar.reset()
assert not bar.broken

# nested
outer = m.list()
outer.append(d)
d["k"] = 1
assert outer[0]["k"] == 1
tree = m.dict()
tree["l"] = m.list([1, 2])
tree["l"].append(3)
assert tree["l"][:] == [1, 2, 3]
popped = m.list([m.list(["alone"])])
alone = popped.pop()
assert alone[:] == ["alone"]

if sys.version_info >= (3, 14):
    x = m.set({1, 2})
    x.add(3)
    assert x == {1, 2, 3} and (x | {4}) == {1, 2, 3, 4} and 2 in x and len(x) == 3
    x &= {1, 2}
    assert sorted(x) == [1, 2]

if kind == "prong":  # the same calls on a set of the server's and on one here
    METHODS = (
        "__and__ __contains__ __ge__ __gt__ __iand__ __ior__ __isub__ __ixor__ __le__ __len__ __lt__ __or__ __rand__ __ror__ __rsub__ "
        "__rxor__ __sub__ __xor__ add clear copy difference difference_update discard intersection intersection_update isdisjoint "
        "issubset issuperset remove symmetric_difference symmetric_difference_update union update").split()
    ARGUMENTS = [(), (1,), ("ab",), ([],), ({},), (None,), (b"ab",), ({1, 2},), ({2, 9},), (frozenset("ab"),), ({1: 2},), ([1, 1, 7],),
                 ((1, 2, "a"),), (range(1, 3),), ([[]],), (set(),), ({1}, [2], "a"), ({1, 2, "a", "b"},), ({1, 2, "a", "b", 3},), (7, 8)]

    def outcome(call, after):
        try:
            result = call()
        except Exception as error:
            result = type(error)
        return result, after()

    there = m.Set()
    for name in METHODS:
        for arguments in ARGUMENTS[:1] if name in ("__len__", "clear", "copy") else ARGUMENTS:
            here = {1, 2, "a", "b"}
            there._callmethod("clear")
            there._callmethod("update", (here,))
            mine = outcome(lambda: getattr(here, name)(*arguments), lambda: here)
            its = outcome(lambda: there._callmethod(name, arguments), lambda: there._callmethod("copy"))
            if mine[0] is not TypeError:  # an update that fails midway has not begun there
                assert mine == its, (name, arguments, mine, its)
            assert mine[0] == its[0] and its[1] in (here, {1, 2, "a", "b"}), (name, arguments, mine, its)
    there = m.Set([1])
    assert there.pop() == 1 and "empty" in raises(KeyError, there.pop)
    assert m.Set([1])._callmethod("__or__", (m.Set([2]),)) == {1, 2}
    assert "unhashable" in raises(Exception, m.Set, [[]]) and "not iterable" in raises(Exception, m.Set, 5)

    co = m.Counter(5)
    assert co.next() == 6 and co.echo(1, k=[2]) == [(1,), {"k": [2]}]
    assert "as asked" in raises(ZeroDivisionError, co.fail)
    assert str(co) == "6"
    raises(AttributeError, lambda: co.nonsense)

del d, l, n, v, a, q, j, k, r, s, b, c, e, bar, outer, tree, popped, alone, t
if kind == "prong":
    del co, there
if sys.version_info >= (3, 14):
    del x
gc.collect()
for _ in range(100):
    if m._number_of_objects() == before:
        break
    time.sleep(0.05)
assert m._number_of_objects() == before, m._debug_info()
print("fine")
