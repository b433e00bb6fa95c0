"""Every Python block of README.md and docs/ runs as a file, and prints what the page says that it prints.

tests/docs/blocks.py has what comments before a block say of it; a block "for NAME.so" is C, and is built beside the program.
"""

import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs"))
import blocks
from support import installed


def keep(block, directory):
    """A block that is a file beside the program: a Python module as it is, of C the library."""
    path = os.path.join(directory, block.argument)
    if block.language == "python":
        with open(path, "w", encoding="utf-8") as file:
            file.write(block.code)
        return ""
    with open(path + ".c", "w", encoding="utf-8") as file:
        file.write(block.code)
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-I", os.path.join(blocks.ROOT, "include"), path + ".c", "-o", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr if done.returncode else ""


def run(block, directory):
    path = os.path.join(directory, "block.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write((block.argument + "\n" if block.how == "given" else "") + block.code)
    return blocks.run([sys.executable, path], block, directory)


def page_errors(path):
    kept, errors = [], []
    for block in blocks.read(path):
        if block.how == "for":
            kept.append(block)
        elif block.language == "python" and block.how == "not":
            compile(block.code, block.where(), "exec")
        elif block.language == "python":
            if "lambda" in block.code and not installed("cloudpickle"):
                continue
            with tempfile.TemporaryDirectory() as directory:
                error = "".join(keep(file, directory) for file in kept) or run(block, directory)
            if error:
                errors.append(f"{block.where()}: {error}")
    return errors


@unittest.skipIf("asan" in os.environ.get("LD_PRELOAD", ""), "the compiler of a block's library is no program for this sanitizer")
class DocsTest(unittest.TestCase):
    def test_blocks_of_all_pages_run(self):
        pages = {path for path in blocks.pages() for block in blocks.read(path) if block.language == "python"}
        self.assertGreater(len(pages), 10)
        for path in sorted(pages):
            with self.subTest(page=os.path.relpath(path, blocks.ROOT)):
                self.assertEqual(page_errors(path), [])


if __name__ == "__main__":
    unittest.main()
