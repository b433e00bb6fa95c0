"""plots.py JSON-DIRECTORY DIRECTORY: tables and pictures of what ./run bench --json and its like have measured.

performance-rows.md tells what each row measures, its limit and its goals. Each JSON file becomes a page of its own, with its
machine and that machine's load; performance-plots.md names them all. The form of the files stands in bench/run.py, which computes
the ratios, too.
"""
import glob
import html
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import bench  # noqa: E402
import python  # noqa: E402
import python_pools  # noqa: E402
import run  # noqa: E402
import scale  # noqa: E402

PROGRAMS = {"bench": ("./run bench", bench), "bench-scale": ("./run bench scale", scale),
            "bench-python": ("./run bench-python", python), "bench-pools": ("./run bench-python pools", python_pools)}
BAR, GAP, LABEL, WIDTH = 18, 6, 150, 640
NONE = "# Plots\n\nThere are none in this build: `./run bench --json` measures what they are made from.\n"
COLOURS = {"prong": "#2962ff", "limit": "#2e7d32", "peer": "#9e9e9e"}
TITLES = {"bench": "The library", "bench-scale": "Growth", "bench-python": "The Python package", "bench-pools": "Pools of Python"}


def figure(value):
    """Three digits, and M for a million: "56 M"."""
    return f"{value / 1e6:.3g} M" if value >= 1e6 else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def bars(values, unit):
    """An SVG with a bar for each (name, value, colour)."""
    most = max(value for _, value, _ in values) or 1
    height = len(values) * (BAR + GAP)
    rows = []
    for at, (name, value, colour) in enumerate(values):
        y, length = at * (BAR + GAP), (WIDTH - LABEL - 110) * value / most
        rows.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>'
                    f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[colour]}"/>'
                    f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{figure(value)} {html.escape(unit)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
            f'fill="#707070">{"".join(rows)}</svg>')


def colour_of(measured, name):
    return "prong" if name == "prong" else "limit" if name == measured["limit"] else "peer"


def sentences(measured):
    return " ".join(text[0].upper() + text[1:] + "." for text in (measured["what"], measured["note"]) if text)


def plot(measured):
    values = [(name, run.median(measured, name), colour_of(measured, name)) for name in measured["figures"]]
    if isinstance(measured["limit"], (int, float)):
        values.append(("limit", measured["limit"], "limit"))
    if not values:
        return ""
    title = f"### {measured['id']}: {measured['better']} is better\n\n"
    return title + (f"{sentences(measured)}\n\n" if sentences(measured) else "") + f"```{{raw}} html\n{bars(values, measured['unit'])}\n```\n\n"


def of_limit(measured):
    near = run.near_limit(measured)
    if near is None:
        return "–"
    return f"{near:.2f} × {measured['limit'] if isinstance(measured['limit'], str) else figure(measured['limit'])}"


def beside(measured):
    """The ratio to each of the others, with the least and the greatest of the rounds."""
    texts = []
    for name in measured["figures"]:
        if name not in (measured["of"], measured["limit"]) and run.ratio(measured, name) is not None:
            low, high = run.ratio_range(measured, name)
            texts.append(f"{name} {figure(run.ratio(measured, name))} ({figure(low)} to {figure(high)})")
    return ", ".join(texts) or "–"


def goals(measured):
    return ", ".join(f"{text.replace(' x ', ' × ')}: {'yes' if reached else '**no**'}" for text, reached in run.verdicts(measured)) or "–"


def goal(wanted):
    """A goal as a row has it, before anything is measured."""
    if wanted["beside"] is None:
        return f"at most {wanted['most']:g}"
    names = run.beside(wanted)
    return f"{wanted['least']:.3g} × " + (f"the best of {' '.join(names)}" if len(names) > 1 else names[0])


def limit(row):
    if row["limit"] is None:
        return "none known"
    return f"`{row['limit']}`" if isinstance(row["limit"], str) else figure(row["limit"])


def rows_page():
    """What each row measures, and what it must reach."""
    text = ("# What is measured\n\nThe rows of each program, as they are in `bench/`. [Performance](performance.md) tells how to read "
            "them.\n\n")
    for program, (command, module) in PROGRAMS.items():
        text += (f"## {TITLES[program]}\n\n`{command}`\n\n| id | what | unit, which is better | limit | goals |\n"
                 "| --- | --- | --- | --- | --- |\n")
        for row in module.all_rows():
            goals_of = ", ".join(goal(wanted) for wanted in row["goals"]) or "–"
            text += f"| `{row['id']}` | {sentences(row)} | {row['unit']}, {row['better']} | {limit(row)} | {goals_of} |\n"
        text += "\n"
    return text


def table(rows):
    lines = ["| id, what | figure | part of the limit | ratio to the others | goal reached |", "| --- | --- | --- | --- | --- |"]
    for measured in rows:
        if measured["of"] in measured["figures"]:
            value = f"{figure(run.median(measured, measured['of']))} {measured['unit']}"
            name = f"`{measured['id']}`" + (f": {measured['what']}" if measured["what"] else "")
            lines.append(f"| {name} | {value} | {of_limit(measured)} | {beside(measured)} | {goals(measured)} |")
    return "\n".join(lines) + "\n\n"


def growth(rows):
    """A table of a scale run: the cost at each number, beside that at the smallest."""
    lines = ["| id | what | at each number: µs, and times the smallest's | within 2 × |", "| --- | --- | --- | --- |"]
    for measured in rows:
        numbers = sorted(measured["figures"], key=int)
        if numbers:
            first = run.median(measured, numbers[0])
            cells = [f"{int(n):,}: {figure(run.median(measured, n))} ({run.median(measured, n) / first:.2f})" for n in numbers]
            cells += [f"{int(n):,}: {why}" for n, why in measured["missing"].items()]
            lines.append(f"| `{measured['id']}` | {measured['what']} | {', '.join(cells)} | {goals(measured)} |")
    return "\n".join(lines) + "\n\n"


def rounds_of(measured):
    """"3", or "3 to 7"."""
    counts = [len(figures) for row in measured["rows"] for figures in row["figures"].values()] or [0]
    return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"


def not_measured(rows):
    """What has no figure although it could have."""
    found = [f"- `{row['id']}` {name}: {row['missing'][name]}" for row in rows for name in row.get("failed", [])]
    return "## Not measured\n\n" + "\n".join(found) + "\n\n" if found else ""


def page(measured):
    made = growth if measured["program"] == "bench-scale" else table
    head = (f"# {TITLES[measured['program']]}: {measured['machine']['cpu']}\n\n{run.describe(measured['machine'])}. prong {measured['version']}, "
            f"{''.join(f'{name} {version}, ' for name, version in measured.get('peers', {}).items())}"
            f"{measured['began']} UTC, medians of {rounds_of(measured)} rounds. A ratio of 3 means three times as good, whichever way "
            "better lies; the least and the greatest of a round stand in brackets.\n\n")
    if max(measured["machine"]["load"]) > measured["machine"]["cores"] + 2:
        head += "**The machine was busy with other programs: the figures say little, and the ratios not much more.**\n\n"
    return head + made(measured["rows"]) + not_measured(measured["rows"]) + "## Plots\n\n" + "".join(plot(r) for r in measured["rows"])


def write(directory, name, text):
    with open(os.path.join(directory, name + ".md"), "w", encoding="utf-8") as file:
        file.write(text)


def main(source, directory):
    write(directory, "performance-rows", rows_page())
    names = []
    for path in sorted(glob.glob(os.path.join(source, "*.json"))):
        with open(path, encoding="utf-8") as file:
            names.append("performance-" + os.path.splitext(os.path.basename(path))[0])
            write(directory, names[-1], page(json.load(file)))
    index = "# Plots\n\nA page for each run on each machine.\n\n```{toctree}\n" + "\n".join(names) + "\n```\n"
    write(directory, "performance-plots", index if names else NONE)


if __name__ == "__main__":
    main(*sys.argv[1:])
