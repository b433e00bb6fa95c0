"""Manual pages: one for each comment in section 3, one for each header in section 7, one for each program in section 1."""
import glob
import os
import re
import textwrap

import headers as parsed
import prose

GLUE = "\0"  # a space at which a line is not broken
HERE = os.path.dirname(os.path.abspath(__file__))


def escape(text):
    """For roff; a line must not begin with a control character."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "\\[u2026]").replace("–", "\\(en")
    return "\\&" + text if text[:1] in (".", "'") else text


def bold(text):
    return "\\fB" + escape(text) + "\\fR"


class Page:
    def __init__(self, name, section, version, summary):
        self.lines = [f'.TH "{name}" "{section}" "" "prong {version}" "prong"', ".nh", ".ad l", ".SH NAME",
                      f"{escape(name)} \\- {escape(summary)}"]

    def heading(self, title):
        self.lines.append(f".SH {title}")

    def inline(self, text):
        return re.sub(r"\bprong_\w+|\bPRONG_\w+", lambda match: "\\fB" + match.group() + "\\fR", escape(text))

    def literal(self, lines):
        self.lines += [".PP", ".nf", ".RS 4"] + [escape(line) for line in lines] + [".RE", ".fi"]

    def prose(self, text):
        """What is not in lists; returns the lists."""
        lists = []
        for kind, content in prose.blocks(text):
            if kind == "literal":
                self.literal(content)
                continue
            rest, found = prose.take_lists(content)
            lists += found
            if rest:
                self.lines += [".PP", self.inline(rest)]
        return lists

    def items(self, items, texts):
        for item in items:
            name, why = prose.item_text(item, texts)
            self.lines += [".TP", bold(name) if name else "\\(bu", self.inline(why)]

    def write(self, directory, section, name):
        with open(os.path.join(directory, f"man{section}", f"{name}.{section}"), "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


def synopsis(item):
    """The declaration in lines of at most 76 columns."""
    if item.kind in ("function", "type"):
        head, bracket, rest = item.text.partition("(")
        head = ("typedef " if item.kind == "type" else "") + head
        if not bracket:
            return [head + ";"]
        text = head.replace(" ", GLUE) + bracket + ", ".join(part.replace(" ", GLUE) for part in rest.split(", ")) + ";"
        lines = textwrap.wrap(text, 74, subsequent_indent=" " * 8, break_on_hyphens=False, break_long_words=False)
        return [line.replace(GLUE, " ") for line in lines]
    if item.kind == "macro":
        return [f"#define {item.text}"]
    if item.kind == "opaque":
        return [f"typedef {item.text};"]
    return structure(item)


def structure(item):
    """A struct or enum with its members."""
    end = ";" if item.kind == "struct" else ","
    lines = [f"typedef {item.kind} {item.name} {{"] if item.kind == "struct" else [f"enum {item.name} {{"]
    for member in item.members:
        lines.append(f"    {member.text}{end}")
    return lines + [f"}} {item.name};" if item.kind == "struct" else "};"]


class Manual:
    def __init__(self, headers, directory, version):
        self.headers, self.directory, self.version = headers, directory, version
        self.texts = prose.statuses(headers)
        self.structs = {item.name: item for header in headers for group in header.groups() for item in group.declarations
                        if item.kind == "struct" and not parsed.is_handle(item)}

    def shown(self, group):
        return [item for item in group.declarations if item.kind != "macro" or group.comment or item.note]

    def page(self, header, group):
        items = self.shown(group)
        if not items:
            return
        text = group.described() or " ".join(item.note for item in items)
        page = Page(", ".join(item.name for item in items), 3, self.version, first_sentence(text) or header.title())
        page.lines[0] = f'.TH "{items[0].name}" "3" "" "prong {self.version}" "prong"'
        page.heading("SYNOPSIS")
        page.lines += [".nf", escape(f"#include <prong/{header.name}.h>"), ""]
        page.lines += [escape(line) for item in items for line in synopsis(item)] + [".fi"]
        page.heading("DESCRIPTION")
        lists = page.prose(text)
        for item in items:
            lists += page.prose(item.note) if item.note and item.note != text else []
            self.members(page, item)
        self.options(page, items)
        self.returns(page, items, lists)
        self.see_also(page, header, group, text)
        page.write(self.directory, 3, items[0].name)
        for item in items[1:]:
            link = Page(item.name, 3, self.version, "")
            link.lines = [f".so man3/{items[0].name}.3"]
            link.write(self.directory, 3, item.name)

    def members(self, page, item):
        if parsed.is_handle(item):
            page.lines += [".PP", "A handle: a plain value, equal in every member of the family."]
            return
        for member in item.members:
            if member.comment:
                page.lines += [".TP", bold(", ".join(member.names)), page.inline(member.comment)]

    def options(self, page, items):
        """The structs that a caller fills, as in every page that takes them."""
        words = [word for item in items if item.kind == "function" for word in re.findall(r"const (prong_\w+) \*", item.text)]
        for name in dict.fromkeys(word for word in words if word in self.structs and self.structs[word] not in items):
            page.heading(f'"{name}"')
            page.lines += [".nf"] + [escape(line) for line in structure(self.structs[name])] + [".fi"]
            self.members(page, self.structs[name])

    def returns(self, page, items, lists):
        if any(item.text.startswith("prong_status ") and item.kind == "function" for item in items):
            page.heading("RETURN VALUE")
            page.lines += ["A status: below 0 the call has failed, 0 is done, above 0 is done with news.",
                           ".BR prong_error_message (3)", "has the details."]
        for title, items_of in lists:
            page.heading("ERRORS" if title == "Errors" else "SUCCESS")
            page.items(items_of, self.texts)

    def see_also(self, page, header, group, text):
        own = {item.name for item in group.declarations}
        known = [item.name for other in header.groups() for item in self.shown(other) if item.kind == "function"]
        named = [name for name in re.findall(r"prong_\w+", text) if name not in own]
        at = known.index(group.declarations[0].name) if group.declarations[0].name in known else 0
        near = [name for name in known[max(0, at - 4):at + 8] if name not in own]
        names = list(dict.fromkeys([name for name in named if name in self.all_names()] + near))[:10]
        page.heading("SEE ALSO")
        page.lines += [f".BR {name} (3)," for name in names] + [f".BR {about(header)} (7),", ".BR prong (7)"]

    def all_names(self):
        return {item.name for header in self.headers for group in header.groups() for item in self.shown(group)}

    def about(self, header):
        """The page about a header: its own comment, and all that it declares."""
        page = Page(about(header), 7, self.version, header.summary())
        page.heading("SYNOPSIS")
        page.lines += [".nf", escape(f"#include <prong/{header.name}.h>"), ".fi"]
        page.heading("DESCRIPTION")
        page.prose(header.comment)
        page.heading("DECLARATIONS")
        for group in header.groups():
            for item in self.shown(group):
                page.lines += [".TP", f".BR {item.name} (3)", page.inline(first_sentence(group.comment or item.note)) or "\\&"]
        page.heading("SEE ALSO")
        page.lines += [".BR prong (7)"]
        page.write(self.directory, 7, about(header))

    def written(self):
        """Pages that are written by hand; @HEADERS@ stands for the list of headers."""
        rows = []
        for header in self.headers:
            if header.name != "prong":
                rows += [".TP", f".BR {about(header)} (7)", escape(header.summary())]
        for path in glob.glob(os.path.join(HERE, "*.[17]")):
            with open(path, encoding="utf-8") as file:
                text = file.read().replace("@HEADERS@", "\n".join(rows)).replace("@VERSION@", self.version)
            name = os.path.basename(path)
            with open(os.path.join(self.directory, f"man{name[-1]}", name), "w", encoding="utf-8") as file:
                file.write(text)


def about(header):
    return "prong-" + header.name.replace("_", "-")


def first_sentence(text):
    text = prose.take_lists(" ".join(text.split()))[0]
    text = text[:prose.sentence_end(text, 0)].rstrip(".")
    return text if len(text) < 200 else text[:text.rfind(" ", 0, 200)] + " ..."


def write(headers, directory, version):
    for section in (1, 3, 7):
        os.makedirs(os.path.join(directory, f"man{section}"), exist_ok=True)
    manual = Manual(headers, directory, version)
    for header in headers:
        for group in header.groups():
            manual.page(header, group)
        if header.name != "prong":
            manual.about(header)
    manual.written()
