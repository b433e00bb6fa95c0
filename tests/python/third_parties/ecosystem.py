"""Runs the acceptance tests of libraries that are given prong's pools, and joblib's own tests of its back ends on prong's.

usage: ecosystem.py BUILD-DIRECTORY DIRECTORY

The build directory has the package for this interpreter. A virtual environment in the other one gets the libraries, of fixed versions, from the
package index. The last line is of the form "N passed, N failed, N skipped"."""

import os
import re
import subprocess
import sys

import compare

LIBRARIES = ["scikit-learn==1.9.1", "pandas==3.1.1", "pyarrow==26.0.1", "dask==2026.8.0", "django==5.2.19", "gunicorn==27.0.1", "celery==5.7.0",
             "pytest-xdist==3.8.0"]
TESTS = os.path.dirname(compare.HERE)
ACCEPTANCE = ["test_ecosystem", "test_frames", "test_celery"]
WITHIN = 900  # seconds

# Tests of joblib's that its back end on prong does not pass, and why.
EXCEPTIONS = {
    "test_auto_memmap_on_arrays_from_generator": "asks for numpy.memmap: large arrays lie in shared memory, and are arrays",
    "test_memmapping_leaks": "asks for numpy.memmap: large arrays lie in shared memory, and are arrays",
}

# In the virtual environment, joblib has the back end where the variable says so: in the tests' interpreter, and in those that tests start.
HOOK = "import os; os.environ.get('PRONG_BACKEND') and __import__('prong.joblib')"


def make_environment(directory, build):
    """compare's for joblib, with the other libraries; its interpreter."""
    python = compare.make_environment(directory, build, "joblib")
    done = os.path.join(directory, "ecosystem-complete")
    if not os.path.exists(done):
        compare.quietly(python, "-m", "pip", "install", "-q", *LIBRARIES)
        open(done, "w").close()
    site = compare.quietly(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    with open(os.path.join(site, "prong_back_end.pth"), "w") as file:
        file.write(HOOK + "\n")
    return python


def run_acceptance(python, directory):
    """(passed, failed, skipped)"""
    log = os.path.join(directory, "acceptance.log")
    environment = dict(os.environ, PYTHONPATH=TESTS)
    with open(log, "w") as file:
        subprocess.run([python, "-m", "unittest", "-v", *ACCEPTANCE], cwd=TESTS, env=environment, stdin=subprocess.DEVNULL, stdout=file,
                       stderr=file, timeout=WITHIN)
    with open(log) as file:
        text = file.read()
    ends = re.findall(r" \.\.\. (ok|skipped|FAIL|ERROR)", text)
    print(text[text.find("====="):] if "=====" in text else "", end="")
    return ends.count("ok"), ends.count("FAIL") + ends.count("ERROR") + (not ends), ends.count("skipped")


def run_joblibs(python, directory):
    """Its tests that take back ends by name, for the name of prong's; (passed, failed, skipped)."""
    with open(os.path.join(compare.suite_directory(directory, python, "joblib"), "test_parallel.py")) as file:
        text = file.read()
    listed = 'PROCESS_BACKENDS = ["multiprocessing", "loky"]'
    if listed not in text:
        raise compare.CannotRun("joblib's test_parallel.py does not list its back ends as it did")
    path = os.path.join(directory, "test_parallel.py")
    with open(path, "w") as file:
        file.write(text.replace(listed, 'PROCESS_BACKENDS = ["prong"]'))
    os.environ["PRONG_BACKEND"] = "1"
    found = compare.run_tests(python, [path], os.path.join(directory, "back-end"), False, ["-k", "prong"])
    del os.environ["PRONG_BACKEND"]
    excepted = {name for name in found if name.partition("::")[2].partition("[")[0] in EXCEPTIONS}
    bad = [name for name, outcome in found.items() if outcome == "failed" and name not in excepted]
    for name in bad:
        print(f"FAIL {name}")
    good = sum(outcome == "passed" for outcome in found.values())
    return good, len(bad) + (not good), sum(outcome == "skipped" for outcome in found.values())


def main():
    build, directory = os.path.abspath(sys.argv[1]), os.path.join(os.path.abspath(sys.argv[2]), "ecosystem")
    os.makedirs(directory, exist_ok=True)
    try:
        python = make_environment(directory, build)
        counts = [run_acceptance(python, directory), run_joblibs(python, directory)]
    except compare.CannotRun as error:
        print(f"ecosystem: {error}")
        print("0 passed, 0 failed, 1 skipped: ecosystem")
        return 0
    passed, failed, skipped = map(sum, zip(*counts))
    print(f"{passed} passed, {failed} failed, {skipped} skipped: what is not installed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
