"""check_reference.py LIBRARY: the reference that is made from the headers.

Every function that the library exports has a manual page and a place in the site's pages; pages are good roff, where groff is
there to tell; a declaration without a comment is an error with file and line.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
EXTRACT = os.path.join(ROOT, "tools", "docs", "extract.py")


ENVIRONMENT = {"PRONG_ARENA_SIZE", "PRONG_CHILD", "PRONG_STRICT", "PRONG_PYTHONS"}
OTHER_NAMES = {"changes-0.2.md", "architecture.md", "performance.md"}


def extract(kind, include, directory, **how):
    return subprocess.run([sys.executable, EXTRACT, kind, include, directory, "9.9.9"], capture_output=True, text=True, **how)


def exported(library):
    names = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return sorted(set(re.findall(r" T (prong_\w+)", names)))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def every_function_has_a_manual_page(library, directory):
    extract("man", os.path.join(ROOT, "include"), directory, check=True)
    return [name for name in exported(library) if not os.path.exists(os.path.join(directory, "man3", name + ".3"))]


def every_function_has_a_place_in_the_site(library, directory):
    extract("sphinx", os.path.join(ROOT, "include"), directory, check=True)
    text = "".join(read(path) for path in glob.glob(os.path.join(directory, "*.rst")))
    return [name for name in exported(library) if not re.search(rf"^(\.\. c:function::|   +).*\b{name}\(", text, re.M)]


def links_lead_to_pages(library, directory):
    extract("man", os.path.join(ROOT, "include"), directory, check=True)
    links = [(path, read(path).split()[1]) for path in glob.glob(os.path.join(directory, "man3", "*")) if read(path).startswith(".so ")]
    return [path for path, target in links if not read(os.path.join(directory, target)).startswith(".TH")] or ([] if links else ["none"])


def a_page_has_errors_with_their_texts(library, directory):
    extract("man", os.path.join(ROOT, "include"), directory, check=True)
    page = read(os.path.join(directory, "man3", "prong_queue_put.3"))
    wanted = [".SH ERRORS", ".SH SYNOPSIS", "prong_status prong_queue_put(", "PRONG_FULL", "the queue or pool stayed full", ".BR prong-queue (7)"]
    return [text for text in wanted if text not in page]


def pages_are_good_roff(library, directory):
    if not shutil.which("groff"):
        return []
    extract("man", os.path.join(ROOT, "include"), directory, check=True)
    pages = sorted(path for path in glob.glob(os.path.join(directory, "man*", "*")) if not read(path).startswith(".so "))
    said = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z"] + pages, capture_output=True, text=True, check=True).stderr
    return said.splitlines()[:20]


def a_missing_comment_is_an_error_with_its_place(library, directory):
    os.makedirs(os.path.join(directory, "prong"))
    header = os.path.join(directory, "prong", "thing.h")
    with open(header, "w", encoding="utf-8") as file:
        file.write("/* Thing: for a test. */\n#ifndef PRONG_THING_H\n#define PRONG_THING_H\n\n/* Opens it. */\n"
                   "PRONG_API int prong_thing_open(int a);\n\nPRONG_API int prong_thing_close(int a);\n#endif\n")
    done = extract("man", directory, os.path.join(directory, "out"), check=False)
    wanted = f"{header}:8: prong_thing_close has no comment\n"
    return [] if done.returncode and done.stderr == wanted else [done.stderr or "no error"]


def names_in_guides_exist(library, directory):
    """Of the C API, in backquotes; changes-0.2.md is about names of before, and tables of benchmarks have names of their own."""
    include = os.path.join(ROOT, "include", "prong", "*.h")
    known = set(re.findall(r"\b(?:prong|PRONG)_\w+", "".join(read(path) for path in glob.glob(include)))) | ENVIRONMENT
    wrong = []
    for page in [os.path.join(ROOT, "README.md")] + glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True):
        if os.path.basename(page) not in OTHER_NAMES:
            named = re.findall(r"`((?:prong|PRONG)_\w+)(?:\(.*?\))?`", read(page))
            wrong += [f"{os.path.relpath(page, ROOT)}: {name}" for name in named if name not in known and not name.endswith("_")]
    return wrong


def main(library):
    tests = [every_function_has_a_manual_page, every_function_has_a_place_in_the_site, links_lead_to_pages,
             a_page_has_errors_with_their_texts, names_in_guides_exist, pages_are_good_roff, a_missing_comment_is_an_error_with_its_place]
    failed = 0
    for test in tests:
        with tempfile.TemporaryDirectory() as directory:
            wrong = test(library, directory)
        failed += bool(wrong)
        if wrong:
            print(f"{test.__name__}: {wrong}")
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main(sys.argv[1])
