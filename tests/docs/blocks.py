"""The code blocks of README.md and docs/, and what a comment before a block says of it.

<!-- docs: given int x = 0; -->     a fragment: these lines come before it, in the same function (C) or file (Python)
<!-- docs: file -->                 C that is neither a program nor statements: compiled as a file
<!-- docs: output -->               what the program before it prints
<!-- docs: command -->              the block is what goes into a shell (also: the fence says sh, console)
<!-- docs: for NAME -->             the block is kept as a file NAME, beside the next program, for which it is run or built
<!-- docs: not run: reason -->      looked at, not run; the reason is for readers of the source

Several lines may stand between "docs: given" and "-->".
"""
import glob
import os
import re
import subprocess

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
FENCE = re.compile(r"(?:<!-- docs: (?P<how>.*?) -->\n+)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.S | re.M)


class Block:
    def __init__(self, path, line, language, how, code):
        self.path, self.line, self.language, self.code = path, line, language, code
        self.how, _, self.argument = (how or "").partition(" ")
        self.output = None

    def where(self):
        return f"{os.path.relpath(self.path, ROOT)}:{self.line}"


def pages():
    return [os.path.join(ROOT, "README.md")] + sorted(glob.glob(os.path.join(ROOT, "docs", "**", "*.md"), recursive=True))


def read(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = []
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code"))
        block = Block(path, line, match.group("language"), match.group("how"), match.group("code"))
        if block.how == "output":
            found[-1].output = block.code
        else:
            found.append(block)
    return found


def all_blocks(*languages):
    return [block for path in pages() for block in read(path) if block.language in languages]


def run(command, block, directory):
    """Runs what was made of the block, in the directory: what is wrong with it, or an empty text."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=directory, stdin=subprocess.DEVNULL)
    if done.returncode:
        return f"it ended with {done.returncode}: {done.stdout}{done.stderr}"
    if block.output is not None and block.output != done.stdout:
        return f"it printed\n{done.stdout}and not\n{block.output}"
    return ""
