"""What the public headers declare, with the comments that belong to it.

The shape of a header is regular, and needs no markup. Its first comment is about the header. A comment that a declaration follows
without a blank line belongs to that declaration, and to those that follow without a blank line. "/* --- title --- */" begins a
section; text after the title belongs to all of the section. In a struct a comment on the line of a member belongs to that member,
one on a line of its own to the next. A paragraph "NAME(arguments): text" in a header's comment describes that macro.

Errors are raised with file and line: what the shape does not cover, and public declarations without a comment.
"""
import glob
import os
import re

NAME = re.compile(r"\b(?:prong|PRONG)_\w+")
QUALIFIERS = re.compile(r"\bPRONG_(?:API|CHECKED)\b|__extension__\b|\bstatic inline\b|\btypedef\b")
SKIPPED = {"PRONG_BEGIN_DECLS", "PRONG_END_DECLS"}


class HeaderError(Exception):
    """A header has not the shape that it should have."""


class Member:
    """A member of a struct or an enumerator: its declaration, its names, what its comment says."""

    def __init__(self, text, names, comment=""):
        self.text, self.names, self.comment = text, names, comment


class Declaration:
    """kind: function, macro, struct, enum, opaque, type. text: as it stands, without what only compilers need."""

    def __init__(self, kind, name, text, line):
        self.kind, self.name, self.text, self.line = kind, name, text, line
        self.members, self.note = [], ""


class Group:
    """Declarations under one comment."""

    def __init__(self, comment, section):
        self.comment, self.section, self.declarations = comment, section, []

    def described(self):
        """The comment, or what stands in for it: the text of the section."""
        return self.comment or (self.section.text if self.section else "")


class Section:
    def __init__(self, title, text):
        self.title, self.text = title, text


class Header:
    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)[:-2]
        self.comment, self.items = "", []  # items: Section and Group, in their order

    def groups(self):
        return [item for item in self.items if isinstance(item, Group)]

    def summary(self):
        """The first sentence of its comment, without its full stop."""
        return re.split(r"\.(?:\s|$)", " ".join(self.comment.split("\n\n")[0].split()))[0]

    def title(self):
        """What the sentence names before a colon, or all of it."""
        return self.summary().split(":")[0]


# --- text ---

def comment_text(token):
    """What a comment says, without its stars."""
    lines = token[2:-2].split("\n")
    lines = [lines[0].strip()] + [re.sub(r"^\s*\* ?", "", line).rstrip() for line in lines[1:]]
    return "\n".join(lines).strip("\n").rstrip()


def for_c(text):
    """The text with the lines that C++ alone sees, and those of conditions, as empty comments."""
    states, lines, continued = [], [], False
    for line in text.split("\n"):
        directive = None if continued else re.match(r"\s*#\s*(ifdef|ifndef|if|elif|else|endif)\b(.*)", line)
        continued = line.endswith("\\")
        if directive:
            word, rest = directive.group(1), directive.group(2)
            cxx = "__cplusplus" in rest
            if word in ("if", "ifdef", "ifndef"):
                states.append(not cxx or word == "ifndef")
            elif word == "endif":
                states.pop()
            else:  # else and elif: what the part before was not
                states[-1] = not states[-1]
            line = "//"
        lines.append(line if all(states) else "//")
    return "\n".join(lines)


def squeeze(text):
    """On one line, without comments and without what only compilers need."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = QUALIFIERS.sub(" ", text)
    text = " ".join(text.split())
    return re.sub(r"\s+([,;)\]])", r"\1", re.sub(r"([(\[])\s+", r"\1", text))


def is_public(name):
    return NAME.fullmatch(name) is not None


# --- one header ---

class Reader:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = for_c(file.read())
        self.at, self.header = 0, Header(path)
        self.section = self.group = self.comment = None

    def line(self):
        return self.text.count("\n", 0, self.at) + 1

    def fail(self, what, line=None):
        raise HeaderError(f"{self.header.path}:{line or self.line()}: {what}")

    def skip_space(self):
        """Whether a blank line was there; clang-format's own comments are space."""
        space = re.compile(r"(?:\s|//[^\n]*)*").match(self.text, self.at).group()
        self.at += len(space)
        return space.count("\n") - space.count("//") > 1

    def read(self):
        while True:
            blank = self.skip_space()
            if self.at == len(self.text):
                break
            if blank:
                self.end_group()
            if self.text.startswith("/*", self.at):
                self.take_comment()
            elif self.text.startswith("#", self.at):
                self.take_directive()
            else:
                self.take_declaration()
        self.describe_macros()
        self.check()
        return self.header

    def end_group(self):
        if self.comment and not self.header.comment:
            self.header.comment = self.comment
        self.group = self.comment = None

    def take_comment(self):
        begin, end = self.at, self.text.index("*/", self.at) + 2
        text = comment_text(self.text[begin:end])
        line_begin = self.text.rfind("\n", 0, begin) + 1
        self.at = end
        title = re.match(r"--- (.*?) ---", text, re.S)
        if self.text[line_begin:begin].strip():
            self.group.declarations[-1].note = text  # behind a declaration
        elif title:
            self.end_group()
            self.section = Section(" ".join(title.group(1).split()), text[title.end():].strip())
            self.header.items.append(self.section)
        elif not self.header.comment and not self.comment:
            self.header.comment = text
        else:
            self.group, self.comment = None, text

    def take_directive(self):
        directive = re.compile(r"#(?:[^\n]*\\\n)*[^\n]*").match(self.text, self.at)
        line, self.at = self.line(), directive.end()
        macro = re.match(r"#\s*define\s+(\w+(?:\([^)]*\))?)[ \t]*(.*)", directive.group(), re.S)
        if macro and is_public(macro.group(1).split("(")[0]):
            name = macro.group(1).split("(")[0]
            if name != f"PRONG_{self.header.name.upper()}_H":
                declaration = Declaration("macro", name, " ".join(macro.group(1).split()), line)
                declaration.value = " ".join(macro.group(2).replace("\\\n", " ").split())
                behind = re.search(r"/\* (.*) \*/$", declaration.value)
                declaration.note = behind.group(1) if behind else ""
                self.add(declaration)

    def statement(self):
        """Up to the semicolon that ends a declaration, or the brace that ends a function's body."""
        depth, begin = 0, self.at
        while True:
            token = re.compile(r'/\*.*?\*/|"(?:\\.|[^"])*"|[{}();]|[^{}();/"]+|.', re.S).match(self.text, self.at)
            if not token:
                self.fail("a declaration without an end")
            self.at = token.end()
            depth += token.group() in "({"
            depth -= token.group() in ")}"
            if depth == 0 and token.group() == ";":
                return self.text[begin:self.at - 1]
            if depth == 0 and token.group() == "}" and re.match(r"[^{;]*\)\s*\{", self.text[begin:self.at]):
                return self.text[begin:self.at]

    def take_declaration(self):
        word = re.compile(r"\w+").match(self.text, self.at)
        if word and word.group() in SKIPPED:
            self.at = word.end()
            return
        line = self.line()
        self.add(self.declaration(self.statement(), line))

    def declaration(self, text, line):
        typedef = text.startswith("typedef")
        body = re.match(r"(?:typedef\s+)?(struct|enum)\s*(\w*)\s*\{(.*)\}\s*(\w*)\s*$", text, re.S)
        if body:
            found = members(body.group(3)) if body.group(1) == "struct" else self.enumerators(body.group(3))
            declaration = Declaration(body.group(1), body.group(4) or body.group(2) or found[0].names[0], "", line)
            declaration.members = found
            return declaration
        if not typedef and "{" in text:  # an inline function
            text = text[:text.index("{")]
        flat = squeeze(text)
        opaque = re.fullmatch(r"struct (\w+) (\w+)", flat)
        if opaque:
            return Declaration("opaque", opaque.group(2), flat, line)
        name = re.search(r"(\w+)\(", flat) if "(" in flat else re.search(r"(\w+)$", flat)
        if not name or not is_public(name.group(1)):
            self.fail("a declaration of no known shape: " + flat[:60], line)
        return Declaration("type" if typedef else "function", name.group(1), flat, line)

    def enumerators(self, body):
        """Those that stand there; or, of a table, one a row: name, number, text."""
        table = re.search(r"(PRONG_\w+)\(PRONG_\w+\)", body)
        if not table:
            return enumerators(body)
        table, = [item for group in self.header.groups() for item in group.declarations if item.name == table.group(1)]
        found = re.findall(r'X\((\w+), (-?\d+), "(.*?)"\)', table.value)
        return [Member(f"{name} = {number}", [name], text) for name, number, text in found]

    def add(self, declaration):
        if not self.group:
            self.group = Group(self.comment or "", self.section)
            self.header.items.append(self.group)
        self.group.declarations.append(declaration)

    def describe_macros(self):
        """Moves what the header's comment says of single macros to them."""
        kept = []
        paragraphs = re.split(r"\n(?=\n|PRONG_\w+\()", self.header.comment)
        macros = {item.name: item for group in self.header.groups() for item in group.declarations if item.kind == "macro"}
        for paragraph in paragraphs:
            about = re.match(r"\n?(PRONG_\w+)(\(.*?\)): (.*)", paragraph, re.S)
            if about and about.group(1) in macros:
                group = Group(about.group(3), None)
                group.declarations.append(macros[about.group(1)])
                self.header.items = [item for item in self.header.items if not alone(item, macros[about.group(1)])]
                self.header.items.append(group)
            else:
                kept.append(paragraph)
        self.header.comment = "\n".join(kept)

    def check(self):
        if not self.header.comment:
            self.fail("the header has no comment", 1)
        bare = [f"{self.header.path}:{item.line}: {item.name} has no comment" for group in self.header.groups()
                for item in group.declarations if not group.described() and not item.note and needs_comment(item)]
        if bare:
            raise HeaderError("\n".join(bare))


def alone(item, declaration):
    """Takes the declaration out of a group; true where nothing is left of it."""
    if isinstance(item, Group) and declaration in item.declarations:
        item.declarations.remove(declaration)
    return isinstance(item, Group) and not item.declarations


def needs_comment(item):
    """Macros without one are the library's own; a handle is what the header is about; members may speak for a struct."""
    if item.kind in ("struct", "enum"):
        return not (any(member.comment for member in item.members) or is_handle(item) or item.kind == "enum")
    return item.kind in ("function", "type")


def is_handle(item):
    return item.kind == "struct" and [name for member in item.members for name in member.names] == ["offset", "generation"]


def pieces(body, separator):
    """What is between braces, in turn: ("comment", text, whether it stands behind something on its line), ("item", source, False).
    A union within is opened: its members are pieces, too."""
    at = 0
    while True:
        at += len(re.compile(r"\s*").match(body, at).group())
        union = re.compile(r"(?:__extension__\s+)?union\s*\{|\}\s*;").match(body, at)
        if at >= len(body):
            return
        if body.startswith("/*", at):
            end = body.index("*/", at) + 2
            before = body[body.rfind("\n", 0, at) + 1:at].strip()
            if not before.endswith("{"):
                yield "comment", " ".join(comment_text(body[at:end]).split()), before != ""
            at = end
        elif union:
            at = union.end()
        else:
            item = re.compile(r"(?:/\*.*?\*/|[^%s])*" % separator, re.S).match(body, at)
            yield "item", item.group(), False
            at = item.end() + 1


def described(body, separator, make):
    """The members of a body, each with its comment."""
    found, pending = [], ""
    for kind, text, behind in pieces(body, separator):
        if kind == "item":
            inner = re.findall(r"/\*.*?\*/", text, re.S)  # between type and name
            comments = [pending] + [" ".join(comment_text(token).split()) for token in inner]
            found.append(make(squeeze(text), " ".join(comments).strip()))
            pending = ""
        elif behind and found:
            found[-1].comment = (found[-1].comment + " " + text).strip()
        else:
            pending = text
    return found


def members(body):
    """Of a struct; those of a union within it, too."""
    return described(body, ";", lambda text, comment: Member(text, member_names(text), comment))


def member_names(text):
    function = re.search(r"\(\*(\w+)\)\(|(\w+)\(", text)
    if function:
        return [function.group(1) or function.group(2)]
    return [re.search(r"(\w+)(?:\[[^]]*\])?$", part.strip()).group(1) for part in text.split(",")]


def enumerators(body):
    return described(body, ",", lambda text, comment: Member(text, [text.split()[0]], comment))


def read_all(include):
    """The headers by name; prong.h first, then in the order of their names."""
    paths = sorted(glob.glob(os.path.join(include, "prong", "*.h")))
    if not paths:
        raise HeaderError(f"{include}: no headers of prong")
    headers, errors = [], []
    for path in paths:
        try:
            headers.append(Reader(path).read())
        except HeaderError as error:
            errors.append(str(error))
    if errors:
        raise HeaderError("\n".join(errors))
    return sorted(headers, key=lambda header: (header.name != "prong", header.name))
