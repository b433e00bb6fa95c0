"""Pages of Sphinx's C domain, one a header."""
import os
import re

import headers as parsed
import prose

# where Sphinx would see no beginning or end of a link: it begins at \x01 and ends at \x02
NO_BEGIN = r"""(?<=[^\s(\[{<"'/:-])\x01"""
NO_END = r"""\x02(?=[^\s)\]}>"'/:.,;!?-])"""
SPECIAL = re.compile(r"([\\*`|_])")


class Page:
    def __init__(self, header, names, texts):
        self.header, self.names, self.texts, self.lines = header, names, texts, []

    def add(self, text="", indent=0):
        self.lines.extend((" " * indent + line).rstrip() for line in text.split("\n"))

    def inline(self, text):
        """Names become links; nothing else is markup."""
        def word(match):
            token = match.group()
            if token.startswith("`") and len(token) > 2:
                return f"\x01`{token}`\x02"
            if token.startswith("docs/"):
                return f":doc:`/{token[5:-3]}`"
            if token.startswith("<prong/"):
                return f":doc:`{token} <{token[7:-3]}>`" if token[7:-3] in self.names["headers"] else token
            role = self.names.get(token.rstrip("()"))
            return f"\x01:c:{role}:`{token}`\x02" if role else SPECIAL.sub(r"\\\1", token)
        text = re.sub(r"`[\w.>\[\]-]+`|docs/[\w-]+\.md|<prong/\w+\.h>|[\w]+|[\\*`|]", word, text)
        return re.sub(NO_BEGIN + "|" + NO_END, r"\\ ", text).replace("\x01", "").replace("\x02", "")

    def prose(self, text, indent=0):
        for kind, content in prose.blocks(text):
            if kind == "literal":
                self.add("::", indent)
                self.add()
                self.add("\n".join(content), indent + 4)
                self.add()
            else:
                self.paragraph(content, indent)

    def paragraph(self, text, indent):
        rest, lists = prose.take_lists(text)
        if rest:
            self.add(self.inline(rest), indent)
            self.add()
        for title, items in lists:
            self.add(f":{title}:", indent)
            for item in items:
                name, why = prose.item_text(item, self.texts)
                label = f":c:enumerator:`{name}` – " if name else ""
                self.add("- " + label + self.inline(why), indent + 4)
            self.add()

    def heading(self, text, line):
        self.add(text)
        self.add(line * len(text))
        self.add()

    def signature(self, item):
        if item.kind in ("function", "type"):
            return re.sub(r"\b(?:struct|enum) (?=\w+ \w+\()", "", item.text)
        return item.text if item.kind == "macro" else item.name

    def directive(self, kind, signatures, indent=0):
        head = f".. c:{kind}:: "
        self.add(head + ("\n" + " " * (indent + len(head))).join(signatures), indent)
        self.add()

    def group(self, group):
        """Declarations of one kind stand above their text together; the text comes once, below the last."""
        runs = []
        for item in group.declarations:
            if item.kind == "macro" and not group.comment and not item.note:
                continue
            kind = {"opaque": "type"}.get(item.kind, item.kind)
            if runs and runs[-1][0] == kind and kind in ("function", "macro", "type"):
                runs[-1][1].append(item)
            else:
                runs.append((kind, [item]))
        for at, (kind, items) in enumerate(runs):
            self.directive(kind, [self.signature(item) for item in items])
            self.prose(group.comment if at == len(runs) - 1 or kind != "macro" else "", 3)
            for item in items:
                if item.note:
                    self.prose(item.note, 3)
                if parsed.is_handle(item):
                    self.add("A handle: a plain value, equal in every member of the family.", 3)
                    self.add()
                else:
                    self.members(item)

    def members(self, item):
        kind = "enumerator" if item.kind == "enum" else "member"
        for member in item.members:
            texts = [member.text.replace(" *", " *")]
            if kind == "member" and "," in member.text and "(" not in member.text:
                texts = split_declarators(member.text)
            for text in texts:
                self.directive(kind, [text.split(" = ")[0] if kind == "enumerator" else re.sub(r"\benum ", "", text)], 3)
            value = member.text.partition(" = ")[2]
            if value and self.texts and re.fullmatch(r"-?\d+", value) and item.name == "prong_status":
                self.add(f"{value}: {self.inline(member.comment)}", 6)
            elif member.comment:
                self.add(self.inline(member.comment), 6)
            self.add()

    def write(self, directory):
        self.heading(f"<prong/{self.header.name}.h>", "=")
        self.prose(self.header.comment)
        for item in self.header.items:
            if isinstance(item, parsed.Section):
                self.heading(item.title[0].upper() + item.title[1:], "-")
                self.prose(item.text)
            else:
                self.group(item)
        with open(os.path.join(directory, self.header.name + ".rst"), "w", encoding="utf-8") as file:
            file.write(re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines)).rstrip() + "\n")


def split_declarators(text):
    """"size_t a, *b" as ["size_t a", "size_t *b"]."""
    first, *others = [part.strip() for part in text.split(",")]
    base = re.match(r"(.*?)\s*\**\w+(?:\[[^]]*\])?$", first).group(1)
    return [first] + [f"{base} {other}" for other in others]


def roles(headers):
    """The role of Sphinx with which each name is referred to."""
    names = {"headers": {header.name for header in headers}}
    kinds = {"function": "func", "macro": "macro", "struct": "struct", "enum": "enum", "opaque": "type", "type": "type"}
    for header in headers:
        for group in header.groups():
            for item in group.declarations:
                if item.kind != "macro" or group.comment or item.note:
                    names[item.name] = kinds[item.kind]
                if item.kind == "enum":
                    names.update({name: "enumerator" for member in item.members for name in member.names})
    return names


def write(headers, directory):
    os.makedirs(directory, exist_ok=True)
    names, texts = roles(headers), prose.statuses(headers)
    for header in headers:
        Page(header, names, texts).write(directory)
    with open(os.path.join(directory, "index.rst"), "w", encoding="utf-8") as file:
        file.write("C reference\n===========\n\nOne page for each header, made from the header's own comments.\n\n"
                   ".. toctree::\n   :hidden:\n\n")
        file.writelines(f"   {header.name}.h <{header.name}>\n" for header in headers)
        page = Page(headers[0], names, texts)
        for header in headers:
            page.add(f":doc:`<prong/{header.name}.h> <{header.name}>`\n   {page.inline(header.summary())}.\n")
        file.write("\n" + "\n".join(page.lines))
