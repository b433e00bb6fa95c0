"""What llvm-cov has counted, by layer: the directories of src/."""

import json
import os
import sys
from collections import defaultdict

LINES_WANTED, BRANCHES_WANTED = 97, 90


def percent(counts):
    return 100 * counts[1] / counts[0] if counts[0] else 100


def main():
    with open(sys.argv[1]) as file:
        files = json.load(file)["data"][0]["files"]
    layers = defaultdict(lambda: {"lines": [0, 0], "branches": [0, 0]})
    below = []
    for entry in files:
        path = os.path.relpath(entry["filename"])
        if not path.startswith("src/"):
            continue
        layer = layers[path.split("/")[1]]
        for what in ("lines", "branches"):
            layer[what][0] += entry["summary"][what]["count"]
            layer[what][1] += entry["summary"][what]["covered"]
        below.append((entry["summary"]["lines"]["percent"], path))
    print(f"{'layer':10}{'lines':>10}{'branches':>10}")
    for name, layer in sorted(layers.items()):
        print(f"{name:10}{percent(layer['lines']):9.1f}%{percent(layer['branches']):9.1f}%")
    print("least covered:", ", ".join(f"{path} {lines:.0f}%" for lines, path in sorted(below)[:8]))
    return any(percent(l["lines"]) < LINES_WANTED or percent(l["branches"]) < BRANCHES_WANTED for l in layers.values())


if __name__ == "__main__":
    sys.exit(main())
