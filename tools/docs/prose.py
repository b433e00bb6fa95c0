"""The text of comments: paragraphs, examples, and sentences of the form "Errors: A (why), B."."""
import re


def blocks(text):
    """("text", a paragraph on one line) and ("literal", lines that stand as they are, which were indented)."""
    found, lines = [], []

    def end():
        if lines:
            literal = lines[0].startswith(" ")
            indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
            found.append(("literal", [line[indent:] for line in lines]) if literal else ("text", " ".join(lines)))
            lines.clear()

    for line in text.split("\n"):
        if not line.strip() or (lines and lines[0].startswith(" ") != line.startswith(" ")):
            end()
        if line.strip():
            lines.append(line.rstrip())
    end()
    joined = []
    for kind, content in found:  # an example with blank lines in it is one
        if kind == "literal" and joined and joined[-1][0] == "literal":
            joined[-1][1].extend([""] + content)
        else:
            joined.append((kind, content))
    return joined


def sentence_end(text, at):
    """Behind the full stop that ends the sentence, outside of brackets; the end of the text where there is none."""
    depth = 0
    for end in range(at, len(text)):
        depth += (text[end] == "(") - (text[end] == ")")
        if text[end] == "." and depth <= 0 and (end + 1 == len(text) or text[end + 1].isspace()):
            return end + 1
    return len(text)


def split_items(text):
    """At commas and semicolons outside of brackets."""
    items, depth, begin = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter in ",;" and depth == 0:
            items.append(text[begin:at].strip())
            begin = at + 1
    return [item for item in items + [text[begin:].strip()] if item]


def take_lists(text):
    """The paragraph without its lists, and the lists: (title, items). What does not begin with a status goes to the item before."""
    rest, lists = "", []
    while True:
        found = re.search(r"(?:^|(?<=[.:] ))(Errors|Success): ", text)
        if not found:
            return (rest + text).strip(), lists
        end = sentence_end(text, found.end())
        items = []
        for item in split_items(text[found.end():end].rstrip(".")):
            if items and not re.match(r"(?:\w+: |also |and )*(?:PRONG_|as\b|of one)", item):
                items[-1] += ", " + item
            else:
                items.append(item)
        lists.append((found.group(1), items))
        rest, text = rest + text[:found.start()], text[end:].lstrip()


def statuses(headers):
    """The texts of statuses, by name."""
    for header in headers:
        for group in header.groups():
            for item in group.declarations:
                if item.name == "prong_status" and item.kind == "enum":
                    return {member.names[0]: member.comment for member in item.members}
    return {}


def item_text(item, texts):
    """An item of a list with the text of its status, unless it explains itself."""
    name = re.match(r"(PRONG_\w+)(.*)", item, re.S)
    if not name or name.group(1) not in texts:
        return "", item
    why = name.group(2).strip()
    why = re.sub(r"^\((.*)\)$", r"\1", why, flags=re.S).lstrip(":, ")
    return name.group(1), texts[name.group(1)] + ("; here: " + why if why else "")
