"""The package's face: what is there is listed, described and has a signature; what it needs of the standard library is checked by name."""

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import types
import unittest
import warnings
import weakref

import prong
from prong._impl import compat
from support import serves

PACKAGE = os.path.dirname(prong.__file__)
PUBLIC_IN_SPITE = {("os", "_exit")}


def own_modules():
    """The package, its public modules that are its own, and the core."""
    names = ["prong._core"] + ["prong." + found.name for found in pkgutil.iter_modules(prong.__path__) if found.name[0] != "_"]
    absent = {"prong." + library for library in ("celery", "joblib") if not serves(library)}
    modules = [prong] + [importlib.import_module(name) for name in names if name not in absent]
    return [module for module in modules if module.__name__.startswith("prong")]


def is_own(value):
    return str(getattr(value, "__module__", None) or "prong").partition(".")[0] == "prong"


def callables(module):
    """(name, callable) of what a module offers, methods too; of the core what is private as well."""
    private = module.__name__ == "prong._core"
    for name in dir(module):
        value = getattr(module, name)
        if name[0] == "_" and not private or name.startswith("__") or not callable(value) or not is_own(value):
            continue
        yield name, value
        for method, function in vars(value).items() if isinstance(value, type) else ():
            if isinstance(function, (staticmethod, classmethod)):
                function = function.__func__
            if callable(function) and is_own(function) and not method.startswith("__") and (private or method[0] != "_"):
                yield f"{name}.{method}", function


class FaceTest(unittest.TestCase):
    def test_dir_has_all_that_there_is(self):
        script = "import prong; missing = set(prong.__all__) - set(dir(prong)); assert not missing, missing"
        subprocess.run([sys.executable, "-c", script], check=True, env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)))
        for name in prong.__all__:
            self.assertTrue(hasattr(prong, name), name)

    def test_dir_shows_no_helpers(self):
        helpers = {"TYPE_CHECKING", "needs", "mirror", "public", "typed_as", "reduced", "restorers", "in_force", "later", "bind"}
        for module in own_modules():
            if module is not prong._core:
                with self.subTest(module.__name__):
                    listed = {name for name in dir(module) if not name.startswith("__")}
                    self.assertLessEqual(set(module.__all__), listed)
                    more = listed - set(module.__all__)
                    self.assertEqual({name for name in more if name[0] == "_"} | more & helpers, set())
                    if module is not prong:  # whose submodules are public
                        self.assertEqual([name for name in more if isinstance(getattr(module, name), types.ModuleType)], [])

    def test_everything_public_has_a_docstring_and_a_signature(self):
        walked = 0
        for module in own_modules():
            for name, value in callables(module):
                with self.subTest(f"{module.__name__}.{name}"):
                    walked += 1
                    self.assertTrue(value.__doc__, "there is no docstring")
                    if module is prong._core and name in ("_Shared", "Message", "Job"):
                        continue  # which nobody calls
                    inspect.signature(value)
        self.assertGreater(walked, 250)

    def test_a_cores_signature_is_what_it_takes(self):
        queue = prong.Queue()
        inspect.signature(queue.put).bind(1, block=True, timeout=3)
        self.assertEqual(str(inspect.signature(queue.get)), "(block=True, timeout=None)")
        self.assertEqual(str(inspect.signature(prong.Lock().acquire)), "(block=True, timeout=None)")
        self.assertEqual(str(inspect.signature(prong.fit_address_space)), "(bytes=0, /)")
        self.assertEqual(list(inspect.signature(prong.connection.Connection).parameters), ["handle", "readable", "writable"])

    def test_names_of_before_are_there_with_a_warning(self):
        for old, new in ("CPool", "NativePool"), ("report", "deadlock_report"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.assertIs(getattr(prong, old), getattr(prong, new))
            self.assertEqual([(warning.category, str(warning.message)) for warning in caught],
                             [(DeprecationWarning, f"prong.{old} is called prong.{new}")])
            self.assertEqual(caught[0].filename, __file__)
            self.assertNotIn(old, dir(prong))

    def test_classes_are_the_packages_own_wherever_they_are_written(self):
        for name in ("NativePool", "ProcessPoolExecutor", "by_value", "Handle", "Share", "share"):
            self.assertEqual(getattr(prong, name).__module__, "prong", name)
        for name in ("AsyncResult", "MapResult", "IMapIterator", "IMapUnorderedIterator", "Pool", "ThreadPool"):
            self.assertEqual(getattr(prong.pool, name).__module__, "prong.pool", name)

    def test_methods_of_the_core_are_a_classs_own(self):
        # an interpreter specializes the call of a C method only for objects of just the type that it was made for
        for name, calls in (("Lock", "acquire release"), ("RLock", "acquire release"), ("Semaphore", "acquire release"),
                            ("BoundedSemaphore", "acquire release"), ("Event", "is_set set clear")):
            self.check_own(getattr(prong.synchronize, name), calls)
        for cls in (prong.queues.Queue, prong.queues.JoinableQueue):
            self.check_own(cls, "put get put_nowait get_nowait")
        self.check_own(prong.connection.PipeConnection, "send recv poll send_bytes recv_bytes")
        self.assertNotIn("fileno", prong.queues.SimpleQueue.__dict__)
        with self.assertRaises(TypeError):
            prong._core._own_methods(1)

    def test_a_lock_has_no_dict_and_goes_at_once(self):
        for lock in (prong.Lock(), prong.RLock(), prong.Semaphore(2), prong.BoundedSemaphore(2)):
            self.assertEqual(lock.__dict__, {})
            self.assertIs(lock._semlock, lock)
        reference = weakref.ref(lock)
        del lock
        self.assertIsNone(reference())

    def check_own(self, cls, calls):
        for name in calls.split():
            self.assertIs(cls.__dict__[name].__objclass__, cls, name)

    def test_what_a_class_defines_itself_stays_its_own(self):
        class Mine(prong._core.Lock):
            def acquire(self):
                return "mine"
        self.assertIs(prong._core._own_methods(Mine), Mine)
        self.assertEqual(Mine().acquire(), "mine")
        self.assertIs(Mine.release.__objclass__, Mine)


def private_names(path):
    """(module, name) of what a source file takes of the standard library's modules that begins with an underscore."""
    with open(path) as file:
        tree = ast.parse(file.read())
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module in sys.modules and not node.level:
            for alias in node.names:
                if isinstance(getattr(sys.modules[node.module], alias.name, None), types.ModuleType):
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr[0] == "_" and not node.attr.startswith("__"):
            module = modules.get(ast.unparse(node.value))
            if module is not None and not module.startswith("prong"):
                yield module, node.attr


class NeedsTest(unittest.TestCase):
    """What prong needs of the standard library that is not public."""

    def test_all_private_names_are_listed(self):
        import concurrent.futures.process  # noqa: F401
        import importlib.machinery  # noqa: F401
        found = set()
        for directory, _, names in os.walk(PACKAGE):
            for name in names:
                if name.endswith(".py") and "-" not in name:
                    found.update(private_names(os.path.join(directory, name)))
        self.assertGreater(len(found), 15)
        for module, name in sorted(found - PUBLIC_IN_SPITE):
            known = {path.partition(".")[0] for path in compat.NEEDED.get(module, ())}
            self.assertIn(name, known, f"{module}.{name} is not in prong/_impl/compat.py")

    def test_this_python_has_them(self):
        for name in compat.NEEDED:
            compat.needs(importlib.import_module(name))

    def test_one_that_is_missing_is_named(self):
        class Empty:
            pass

        module = types.ModuleType("threading")
        module.Thread = Empty
        with self.assertRaises(ImportError) as raised:
            compat._check(module)
        self.assertEqual(raised.exception.name, "threading")
        self.assertIn("threading.Thread._set_native_id of the standard library, which Python " + sys.version.split()[0],
                      str(raised.exception))

    def test_it_is_missing_at_import_not_in_the_middle_of_a_call(self):
        script = "import threading; del threading._register_atexit; import prong; prong.ProcessPoolExecutor"
        ended = subprocess.run([sys.executable, "-c", script], env=dict(os.environ, PYTHONPATH=os.path.dirname(PACKAGE)),
                               capture_output=True, text=True)
        self.assertIn("ImportError: prong needs threading._register_atexit", ended.stderr)


if __name__ == "__main__":
    unittest.main()
