"""Nothing public is spelled outside prong_ and PRONG_.

names.py LIBRARY CC [ARGUMENT ...]: what the public headers define (macros, typedefs, tags, enumerators, functions), as C and
as C++ read them, and what the shared library exports. Both are the same functions.
"""
import glob
import os
import re
import subprocess
import sys

INCLUDE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "include"))
TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[A-Za-z_]\w*|\d[\w.]*|\S')
UPPER = re.compile(r"PRONG_[A-Z0-9_]+$")
LOWER = re.compile(r"prong_[a-z0-9_]+$")


def preprocessed(compiler):
    """The lines of the public headers alone, macros expanded; and the names of the macros that are left defined."""
    headers = sorted(glob.glob(os.path.join(INCLUDE, "prong", "*.h")))
    source = "".join("#include <prong/%s>\n" % os.path.basename(header) for header in headers)
    text = subprocess.run(compiler + ["-E", "-dD", "-I", INCLUDE, "-"], input=source, stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    lines, macros, ours = [], set(), False
    for line in text.splitlines():
        marker = re.match(r'# \d+ "(.*?)"', line)
        directive = re.match(r"#\s*(define|undef)\s+(\w+)", line)
        if marker:
            ours = os.path.realpath(marker.group(1)).startswith(INCLUDE + os.sep)
        elif directive and ours:
            (macros.add if directive.group(1) == "define" else macros.discard)(directive.group(2))
        elif ours and not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines), macros


def group_end(tokens, at):
    """The place of the bracket that closes the one at this place."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    depth = 0
    for end in range(at, len(tokens)):
        depth += (tokens[end] == tokens[at]) - (tokens[end] == pairs[tokens[at]])
        if depth == 0:
            return end
    raise ValueError("no end: " + " ".join(tokens[at:at + 20]))


def without_attributes(tokens):
    kept, at = [], 0
    while at < len(tokens):
        if tokens[at] == "__attribute__":
            at = group_end(tokens, at + 1)
        elif tokens[at] == "extern" and tokens[at + 1:at + 3] in (['"C"', "{"], ['"C++"', "{"]):
            at += 2
        elif tokens[at] != "__extension__":
            kept.append(tokens[at])
        at += 1
    return kept


def statements(tokens):
    """At file scope: up to a semicolon, or to the end of a function's body."""
    statement, at = [], 0
    while at < len(tokens):
        token = tokens[at]
        if token == "{":
            end = group_end(tokens, at)
            body = bool(statement) and statement[-1] == ")"
            statement += tokens[at:end + 1]
            at = end
            if body:
                yield statement
                statement = []
        elif token == ";" or (token == "}" and not statement):  # the latter ends extern "C"
            if statement:
                yield statement
            statement = []
        else:
            statement.append(token)
        at += 1
    if statement:
        raise ValueError("no end: " + " ".join(statement[:20]))


def is_name(token):
    return re.match(r"[A-Za-z_]\w*$", token) is not None


def enumerators(body):
    """Names in what is between the braces of an enum."""
    depth, expected = 0, True
    for token in body:
        if token in "([{":
            depth += 1
        elif token in ")]}":
            depth -= 1
        elif token == "," and depth == 0:
            expected = True
        elif expected:
            yield token
            expected = False


def outline(tokens):
    """What is left without bodies."""
    kept, at = [], 0
    while at < len(tokens):
        if tokens[at] == "{":
            at = group_end(tokens, at)
        else:
            kept.append(tokens[at])
        at += 1
    return kept


def declared(statement):
    """(kind, name) of all that a statement at file scope brings into that scope."""
    for at, token in enumerate(statement):
        if token in ("struct", "union", "enum"):
            tagged = is_name(statement[at + 1])
            if tagged:
                yield "tag", statement[at + 1]
            body = at + 1 + tagged
            if token == "enum" and body < len(statement) and statement[body] == "{":
                for name in enumerators(statement[body + 1:group_end(statement, body)]):
                    yield "enumerator", name
    flat = outline(statement)
    if "(" in flat:
        bracket = flat.index("(")
        name = flat[bracket + 2] if flat[bracket + 1] == "*" else flat[bracket - 1]
    elif len(flat) == 2 and flat[0] in ("struct", "union", "enum") or len(flat) == 1:
        return
    else:
        name = [token for token in flat if is_name(token)][-1]
    if flat[0] == "typedef":
        yield "typedef", name
    elif "(" in flat:
        yield "inline function" if "inline" in flat else "function", name
    else:
        yield "variable", name


def defined(compiler):
    text, macros = preprocessed(compiler)
    names = {("macro", name) for name in macros}
    for statement in statements(without_attributes(TOKEN.findall(text))):
        names.update(declared(statement))
    return names


def misspelled(names):
    return sorted("%s %s" % (kind, name) for kind, name in names
                  if not (UPPER if kind in ("macro", "enumerator") else LOWER).match(name))


def exported(library):
    """What the library defines for others, but for the names of its versions."""
    text = subprocess.run(["nm", "-D", "--defined-only", library], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[-1].split("@")[0] for row in rows if row[-2] != "A"}


class Results:
    passed = failed = 0

    def check(self, name, wrong):
        if wrong:
            self.failed += 1
            print("FAIL %s" % name)
            for line in wrong:
                print("  " + line)
        else:
            self.passed += 1


# What the reader of declarations makes of all shapes that there are.
SAMPLE = """
typedef struct prong_a { int b; union { struct { int c; } d; }; } prong_a;
typedef enum { PRONG_E = 1 << (2), PRONG_F } prong_g;
enum prong_h { PRONG_I, PRONG_J = sizeof(int), };
struct prong_k;
typedef int prong_l(int m, void (*n)(void));
typedef void (*prong_o)(int p);
static inline int prong_q(int r) { struct prong_s { int t; } u; return r; }
__attribute__((visibility("default"))) const char *prong_v(int (*w)(void *x), void *y);
extern "C++" { extern int prong_z; }
"""
SAMPLE_NAMES = {"prong_a", "PRONG_E", "PRONG_F", "prong_g", "prong_h", "PRONG_I", "PRONG_J", "prong_k", "prong_l", "prong_o",
                "prong_q", "prong_s", "prong_v", "prong_z"}


def main(library, *compiler):
    results = Results()
    found = {name for statement in statements(without_attributes(TOKEN.findall(SAMPLE))) for _, name in declared(statement)}
    results.check("declarations_are_read", sorted(found ^ SAMPLE_NAMES))
    names = defined(list(compiler) + ["-std=c11"])
    results.check("headers_define_prong_names_only", misspelled(names))
    try:
        results.check("headers_define_prong_names_only_in_cxx",
                      misspelled(defined([os.environ.get("CXX", "g++"), "-x", "c++", "-std=c++11"])))
    except (OSError, subprocess.CalledProcessError):
        print("skip headers_define_prong_names_only_in_cxx\n  skipped: there is no C++ compiler\n1 skipped")
    functions = {name for kind, name in names if kind == "function"}
    symbols = exported(library)
    results.check("library_exports_prong_names_only", misspelled({("symbol", name) for name in symbols}))
    results.check("library_exports_what_headers_declare",
                  ["not exported: " + name for name in sorted(functions - symbols)] +
                  ["in no header: " + name for name in sorted(symbols - functions)])
    print("%d passed, %d failed" % (results.passed, results.failed))
    return results.failed > 0


sys.exit(main(*sys.argv[1:]))
