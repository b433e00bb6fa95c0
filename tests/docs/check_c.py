"""check_c.py CC LIBRARY: every C block of the documentation is compiled; whole programs are run, in a directory of their own.

A program ends with 0, and prints what the page says that it prints. A fragment stands in a function, after what its comment gives.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile

import blocks

PRELUDE = """#include <prong/prong.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
"""
FLAGS = ["-std=gnu11", "-O0", "-Wall", "-Wextra", "-Wno-unused", "-Wno-unused-result", "-Wno-missing-field-initializers",
         "-Wno-missing-prototypes", "-Wno-unknown-pragmas", "-Werror"]


def source(block):
    if is_program(block) or block.how in ("file", "for"):
        return ("" if is_program(block) else PRELUDE) + f'#line {block.line + 1} "{block.path}"\n{block.code}'
    return (f"{PRELUDE}void fragment(void);\nvoid fragment(void) {{\n{block.argument if block.how == 'given' else ''}\n"
            f'{{\n#line {block.line + 1} "{block.path}"\n{block.code}}}\n}}\n')


def is_program(block):
    return "int main(" in block.code


def compile_block(compiler, library, block, directory):
    path = os.path.join(directory, "block.c")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source(block))
    command = compiler + FLAGS + ["-I", os.path.join(blocks.ROOT, "include"), path]
    if is_program(block):
        where = os.path.dirname(library)
        command += ["-o", os.path.join(directory, "program"), library, "-Wl,-rpath," + where, "-lm", "-lpthread"]
    else:
        command += ["-c", "-o", os.path.join(directory, "block.o")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stderr if done.returncode else ""


def run(block, directory):
    return blocks.run([os.path.join(directory, "program")], block, directory)


def try_block(compiler, library, block):
    with tempfile.TemporaryDirectory() as directory:
        error = compile_block(compiler, library, block, directory)
        if not error and is_program(block) and block.how != "not":
            error = run(block, directory)
    return error


def main(library, *compiler):
    found = blocks.all_blocks("c")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        errors = list(executor.map(lambda block: try_block(list(compiler), os.path.realpath(library), block), found))
    failed = [(block, error) for block, error in zip(found, errors) if error]
    for block, error in failed:
        print(f"{block.where()}: {error}")
    print(f"{len(found) - len(failed)} passed, {len(failed)} failed")
    sys.exit(bool(failed) or not found)


if __name__ == "__main__":
    main(*sys.argv[1:])
