"""plots.py JSON DIRECTORY: pictures of what ./run bench --json has measured, where the file is there.

For each benchmark a bar for prong and one for each of the others; the page performance-plots.md shows them all.
"""
import html
import json
import os
import sys

BAR, GAP, LABEL, WIDTH = 18, 6, 130, 640
NONE = "# Plots\n\nThere are none in this build: `./run bench --json` measures what they are made from.\n"


def figure(value):
    """Three digits, and M for a million: "56 M"."""
    return f"{value / 1e6:.3g} M" if value >= 1e6 else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def bars(values, unit):
    """An SVG with a bar for each (name, value)."""
    most = max(value for _, value in values) or 1
    height = len(values) * (BAR + GAP)
    rows = []
    for at, (name, value) in enumerate(values):
        y, length = at * (BAR + GAP), (WIDTH - LABEL - 110) * value / most
        colour = "#2962ff" if name == "prong" else "#9e9e9e"
        rows.append(f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>'
                    f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
                    f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{figure(value)} {html.escape(unit)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12" '
            f'fill="#707070">{"".join(rows)}</svg>')


def main(source, directory):
    page = NONE
    if os.path.exists(source):
        with open(source, encoding="utf-8") as file:
            measured = [json.loads(line) for line in file if line.startswith("{")]
        page = "# Plots\n\n"
        for bench in measured:
            values = [("prong", bench["prong"])] + [(peer, value) for peer, value in bench["peers"].items() if value]
            page += f"## {bench['id']}: {bench['better']} is better\n\n```{{raw}} html\n{bars(values, bench['unit'])}\n```\n\n"
    with open(os.path.join(directory, "performance-plots.md"), "w", encoding="utf-8") as file:
        file.write(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
