"""Runs the suite of a library that is built on multiprocessing, once on the standard library and once with prong in its place.

usage: compare.py BUILD-DIRECTORY DIRECTORY LIBRARY

The build directory has the package for this interpreter. A virtual environment in the other one gets the library, of a fixed version, and
what its suite needs, from the package index; the suite is in the library's source release. What fails on prong alone is run again by itself, and
is a failure if it fails again, unless exceptions.txt gives a reason. The last line is of the form "N passed, N failed, N skipped"."""

import os
import signal
import subprocess
import sys
import tarfile
import urllib.request
import venv
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
CASE_LIMIT = 120  # seconds; pytest interrupts a case, and a group of cases is killed
GROUP_LIMIT = 600

# Of each library: its version, where its suite lies in the source release, what the suite needs, and what is left out.
LIBRARIES = {
    "pebble": ("5.2.3", "test", ["setuptools"], []),
    "mpire": ("2.10.2", "tests", ["setuptools", "numpy", "multiprocess", "dill", "rich", "ipywidgets"], []),
    "joblib": ("1.6.0", "joblib/test", ["setuptools", "numpy", "lz4", "psutil", "threadpoolctl"], ["--ignore-glob=*/test_memory*"]),
}

# In the virtual environment, prong takes multiprocessing's place where the variable says so: in the tests' interpreter, in children, and in
# those that tests start.
HOOK = "import os; os.environ.get('PRONG_IN_PLACE') and __import__('prong').install()"


class CannotRun(Exception):
    """Something that the comparison needs is not there."""


def quietly(*command, **options):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if ran.returncode:
        raise CannotRun(f"{' '.join(command[:5])} … failed: {ran.stdout[-600:]}")
    return ran.stdout


# ---------------------------------------------- what is to be run ----------------------------------------------


def make_environment(directory, build, library):
    """A virtual environment with the library; its interpreter."""
    version, _, needed, _ = LIBRARIES[library]
    python = os.path.join(directory, "venv", "bin", "python")
    if not os.path.exists(os.path.join(directory, "complete")):
        try:
            venv.create(os.path.join(directory, "venv"), with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            raise CannotRun("no pip for virtual environments (Debian: python3-venv)") from None
        quietly(python, "-m", "pip", "install", "-q", "pytest", "pytest-timeout", f"{library}=={version}", *needed)
        open(os.path.join(directory, "complete"), "w").close()
    site = quietly(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])").strip()
    with open(os.path.join(site, "prong_in_place.pth"), "w") as file:
        file.write(f"{os.path.join(build, 'python')}\n{HOOK}\n")
    return python


def debian_mirror():
    try:
        listed = quietly("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    except OSError:
        listed = []
    found = [address for address in listed if address.rstrip("/").endswith("/debian")]
    if not found:
        raise CannotRun("apt's sources name no mirror of Debian, which has mpire's source release")
    return found[0].rstrip("/")


def download_source(directory, python, library, version):
    if library == "mpire":  # its release on the package index has no tests, Debian's has
        name = f"mpire_{version}.orig.tar.gz"
        try:
            urllib.request.urlretrieve(f"{debian_mirror()}/pool/main/m/mpire/{name}", os.path.join(directory, name))
        except OSError as error:
            raise CannotRun(f"{name} cannot be had: {error}") from None
    else:
        quietly(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", library, "-d", directory, f"{library}=={version}")


def unpack_source(directory, python, library):
    """The library's source release; its directory."""
    version = LIBRARIES[library][0]
    source = os.path.join(directory, f"{library}-{version}")
    if not os.path.isdir(source):
        download_source(directory, python, library, version)
        release, = (name for name in os.listdir(directory) if ".tar." in name)
        with tarfile.open(os.path.join(directory, release)) as archive:
            archive.extractall(directory)
    return source


def suite_directory(directory, python, library):
    """Where the suite is, with nothing of the library beside it but what is installed."""
    source = unpack_source(directory, python, library)
    if library == "joblib":  # its suite is a part of the package
        site = quietly(python, "-c", "import joblib; print(joblib.__path__[0])", cwd="/").strip()
        return os.path.join(site, "test")
    suite = os.path.join(directory, "suite")
    if not os.path.isdir(suite):
        os.makedirs(suite)
        os.rename(os.path.join(source, LIBRARIES[library][1]), os.path.join(suite, LIBRARIES[library][1]))
    return os.path.join(suite, LIBRARIES[library][1])


# ---------------------------------------------- running it ----------------------------------------------


def kill_session(leader):
    """Whatever the tests left behind."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(pid)) == leader:
                os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


def run_tests(python, tests, report, in_place, options=()):
    """Runs pytest on the tests in a session of its own; the tests' outcomes by name."""
    environment = dict(os.environ, PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1")
    environment.pop("PRONG_IN_PLACE", None)
    if in_place:
        environment["PRONG_IN_PLACE"] = "1"
    if os.path.exists(report + ".xml"):
        os.unlink(report + ".xml")
    with open(report + ".log", "w") as log:
        process = subprocess.Popen([python, "-m", "pytest", "-q", "-rfE", "-p", "used", "-p", "no:cacheprovider", f"--timeout={CASE_LIMIT}",
                                    "-c", os.devnull, "--rootdir", os.path.dirname(report), "-o", "junit_family=xunit1",
                                    f"--junit-xml={report}.xml", *options, *tests],
                                   cwd=os.path.dirname(report), env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
        try:
            process.wait(GROUP_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        kill_session(process.pid)
        process.wait()
    return outcomes(report + ".xml")


def outcomes(report):
    found = {}
    if os.path.exists(report):
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            outcome = "passed"
            for child in case:
                if child.tag in ("failure", "error", "skipped"):
                    outcome = "skipped" if child.tag == "skipped" else "failed"
            parts = (case.get("classname") or case.get("name")).split(".")
            module = next((place for place, part in enumerate(parts) if part.startswith("test_")), 0)
            name = f"{'.'.join(parts[module:])}::{case.get('name')}"
            if found.get(name) != "failed":
                found[name] = outcome
    return found


def groups(python, suite, report, options):
    """The classes of the suite, and its files' functions, by name: what pytest is to run for each."""
    listed = subprocess.run([python, "-m", "pytest", "-q", "--collect-only", "-c", os.devnull, "--rootdir", suite, "-p", "no:cacheprovider",
                             *options, suite], cwd=os.path.dirname(report), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True).stdout
    found = {}
    for line in listed.splitlines():
        file, *names = line.partition("[")[0].split("::")
        if names and os.path.exists(os.path.join(suite, file)):
            path = "::".join([os.path.join(suite, file), *names])
            key = "-".join([file.replace("/", "-")[:-3], *names[:-1]])
            tests = found.setdefault(key, [])
            if path not in tests:
                tests.append(path)
    if not found:
        raise CannotRun("its suite has no tests that pytest finds: " + listed[-300:])
    return found


def run_by_groups(python, suite, report, in_place, options):
    """Each group of the suite by itself, so that one that does not end takes no other with it."""
    found = {}
    for key, tests in groups(python, suite, report, options).items():
        ran = run_tests(python, tests, f"{report}-{key}", in_place, options)
        found.update(ran or {f"{key}::all": "failed"})
    return found


# ---------------------------------------------- comparing ----------------------------------------------


def exceptions(library):
    """Names of tests, or beginnings of names that end in a star, with the reasons."""
    found = {}
    with open(os.path.join(HERE, "exceptions.txt")) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, reason = line.split(None, 1)
                if name.startswith(library + ":"):
                    found[name.partition(":")[2]] = reason.strip()
    return found


def is_excepted(name, listed):
    return any(name == entry or entry.endswith("*") and name.startswith(entry[:-1]) for entry in listed)


def fails_again(python, suite, report, name, options):
    """Whether a test that failed on prong alone fails there by itself, too."""
    place, _, test = name.partition("::")
    module, *classes = place.split(".")
    wanted = "::".join([os.path.join(suite, module + ".py"), *classes, test])
    return run_tests(python, [wanted], report + "-again", True, options).get(name) != "passed"


def compare(directory, build, library):
    python = make_environment(directory, build, library)
    suite = suite_directory(directory, python, library)
    options = LIBRARIES[library][3]
    expected = run_by_groups(python, suite, os.path.join(directory, "std"), False, options)
    found = run_by_groups(python, suite, os.path.join(directory, "prong"), True, options)
    listed = exceptions(library)
    worse = sorted(name for name in found if found[name] == "failed" and expected.get(name) != "failed")
    bad = []
    for name in worse:
        if is_excepted(name, listed):
            print(f"excepted: {name}")
        elif fails_again(python, suite, os.path.join(directory, "prong"), name, options):
            bad.append(name)
            print(f"FAIL {name}: on prong alone")
        else:
            print(f"unsteady: {name} failed on prong once, and passed by itself")
    for name in sorted(name for name in expected if expected[name] == "failed"):
        print(f"note: {name} fails on the standard library; on prong: {found.get(name)}")
    missing = sorted(set(expected) - set(found))
    for name in missing:
        print(f"FAIL {name}: is not run on prong")
    passed = sum(outcome == "passed" for outcome in found.values())
    skipped = sum(outcome == "skipped" for outcome in found.values())
    return passed, len(bad) + len(missing), skipped


def main():
    build, library = os.path.abspath(sys.argv[1]), sys.argv[3]
    directory = os.path.join(os.path.abspath(sys.argv[2]), library)
    os.makedirs(directory, exist_ok=True)
    try:
        passed, failed, skipped = compare(directory, build, library)
    except CannotRun as error:
        print(f"{library}: {error}")
        print(f"0 passed, 0 failed, 1 skipped: {library}")
        return 0
    print(f"{passed} passed, {failed} failed, {skipped} skipped: for reasons of {library}'s own")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
