"""Types: what mypy makes of typed.py, and that what the annotations say is there at runtime. Skipped where there is no mypy."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import prong

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.dirname(os.path.dirname(prong.__file__))
# Of the package's own code, of which some has no annotations.
SETTINGS = "[mypy]\nignore_missing_imports = True\nignore_errors = True\n"
# Said of the stubs that is so in the runtime on purpose, or is of multiprocessing's own stubs.
AS_INTENDED = (
    r"prong\.(Queue|JoinableQueue|SimpleQueue) is not a type",  # functions there; see __init__.pyi
    r"prong\.pool\.(AsyncResult|IMapIterator)\.__init__ ",  # made by the pool alone
    r"prong\.pool\.Pool\.__del__ is inconsistent, stub does not have (argument|parameter) \"RUN\"",  # nobody calls it
    r"prong\.synchronize\.Condition\.__init__ is inconsistent, stub does not have (argument|parameter) \"handle\"",
    r"prong\.connection\.Connection is a disjoint base",  # as any class of C's; older checkers do not know the mark for that
    r"prong\._impl\.executor\.ProcessPoolExecutor\.map is inconsistent, runtime does not have (argument|parameter) \"buffersize\"",  # 3.14's
    r"prong\.(dummy|managers|spawn|forkserver|heap|reduction|resource_\w+|popen_\w+|util|process|sharedctypes)\.",  # multiprocessing's
    r"prong\._impl\.(?!by_value|executor|handles|install|native)",  # internal, and mostly without annotations
    r"prong\.[\w.]+\.(AbstractSet|Any|AsyncIterator|BaseContext|Callable|ClassVar|Generator|Generic|Inline|Iterable|Iterator|Literal|Mapping|"
    r"ModuleType|PipeConnection|Priority|SyncManager|TracebackType|TypeVar|final|overload)\b",  # imported for annotations alone
    r"prong\.(?!_core)(_impl\.)?\w+\._[A-Z]",  # classes for annotations, which are others at runtime
    r"prong\._core\.(Native)?Pool ",  # the one is a subclass of the other, and nobody else's can be
    r"prong\.([\w.]+\.)?Share\.__class_getitem__ is not present in stub",  # Generic's there
    r"prong\.(celery|joblib) failed to import",  # the library is not there, or too old
    r"prong\.pool\.ThreadPool\.Process ",  # multiprocessing's
    r"prong\.(\w+\.)?__all__ names",  # multiprocessing's, where a module mirrors one of its
    r"prong\._pyinstaller\.",  # PyInstaller's to import
    r"prong\.queues\.(Queue|JoinableQueue|SimpleQueue) is inconsistent, metaclass differs",  # which chooses what subclasses are made of
)


def as_newer(type):
    """A type as mypy writes it from 1.19 on."""
    return re.sub(r"Union\[([^]]*), None\]", r"\1 | None", type.replace("builtins.", ""))


def run(*command):
    environment = {**os.environ, "MYPYPATH": PACKAGES, "PYTHONPATH": PACKAGES}
    with tempfile.TemporaryDirectory() as directory:
        settings = os.path.join(directory, "mypy.ini")
        with open(settings, "w") as file:
            file.write(SETTINGS)
        command = [part.replace("SETTINGS", settings) for part in command]
        return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True).stdout


@unittest.skipUnless(shutil.which("mypy") and shutil.which("stubtest"), "mypy is not installed")
class StubsTest(unittest.TestCase):
    def test_what_a_checker_says(self):
        path = os.path.join(HERE, "typed.py")
        said = {}
        for line in run("mypy", "--strict", "--config-file", "", "--follow-imports", "silent", path).splitlines():
            found = re.match(r".*typed\.py:(\d+): (error|note): (.*)", line)
            if found:
                said.setdefault(int(found[1]), []).append(found[3] if found[2] == "note" else "error: " + found[3])
        with open(path) as file:
            expected = {number: re.search(r"  # (is|error:) (.*)$", line) for number, line in enumerate(file, 1)}
        for number, expects in expected.items():
            sayings = " | ".join(said.get(number, ()))
            if expects is None:
                self.assertEqual(sayings, "", f"line {number}")
            elif expects[1] == "is":
                self.assertIn(f'Revealed type is "{as_newer(expects[2])}"', as_newer(sayings), f"line {number}")
            else:
                self.assertRegex(sayings, "error: .*" + expects[2], f"line {number}")

    maxDiff = None

    def test_what_is_said_is_there(self):
        if not self.same_python():
            self.skipTest("mypy is another Python's")
        wrong = [line for line in run("stubtest", "prong", "--concise", "--mypy-config-file", "SETTINGS")
                 .splitlines() if not any(re.match(pattern, line) for pattern in AS_INTENDED)]
        self.assertEqual(wrong, [])

    @staticmethod
    def same_python():
        with open(shutil.which("stubtest")) as script:
            return os.path.realpath(script.readline()[2:].strip()) == os.path.realpath(sys.executable)


if __name__ == "__main__":
    unittest.main()
