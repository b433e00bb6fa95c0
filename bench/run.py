"""What bench.py, python.py and scale.py share: rows that are measured in turn, their figures as text and as JSON.

The JSON form, one object for a run:
  program   "bench", "bench-python" or "bench-scale"
  machine   cpu, cores, memory_MiB, kernel, system, python; load: the load averages of the last minute before and after the run
  began     UTC;  seconds, rounds;  version: prong's
  rows      a list of
    id, what, unit, better ("higher" or "lower")
    of       whose figures these are: "prong", or in a scale row the largest number
    limit    the name in figures of what the machine allows, a number, or null;  note: why it is that, or why the row ends there
    goals    [{"beside": name or null, "least": ratio to it, or for null "most": a figure}]
    figures  {name: [the figure of each round]}
    missing  {name: why it has none}
A ratio is that of the medians; 3 means three times as good, whichever way better lies.
"""
import datetime
import json
import os
import platform
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def cpu_name():
    """The processor's name; on ARM the kernel has numbers only."""
    found = {}
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, value = line.partition(":")
            if colon:
                found.setdefault(name.strip(), value.strip())
    family = " ".join(f"{key} {found[key]}" for key in ("cpu family", "model") if key in found)
    if "model name" in found:
        return f"{found['model name']} ({family})" if family else found["model name"]
    if "CPU part" in found:
        return f"ARM implementer {found.get('CPU implementer')} part {found['CPU part']}"
    return platform.machine()


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (AttributeError, KeyError, OSError):
        return platform.system()


def machine():
    return {"cpu": cpu_name(), "cores": len(os.sched_getaffinity(0)),
            "memory_MiB": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20, "kernel": platform.release(),
            "system": system_name(), "python": platform.python_version(), "load": [os.getloadavg()[0]]}


def describe(about):
    return (f"{about['cpu']}, {about['cores']} cores, {about['memory_MiB'] / 1024:.0f} GiB, Linux {about['kernel']}, {about['system']}, "
            f"Python {about['python']}; load {' to '.join(f'{load:.1f}' for load in about['load'])}")


def version():
    with open(os.path.join(HERE, "..", "meson.build"), encoding="utf-8") as file:
        return next(line.split("'")[1] for line in file if line.strip().startswith("version:"))


class Missing(Exception):
    """This figure cannot be had here; the text says why."""


def row(name, unit, better, peers, what="", of="prong", limit=None, goals=(), note=""):
    """One row, without figures yet. A goal is (peer, ratio), or (None, the worst figure allowed)."""
    wanted = [{"beside": peer, "least": least} if peer else {"beside": None, "most": least} for peer, least in goals]
    names = list(dict.fromkeys(peers + ([limit] if isinstance(limit, str) else []) + [peer for peer, _ in goals if peer]))
    return {"id": name, "what": what, "unit": unit, "better": better, "of": of, "limit": limit, "note": note, "goals": wanted,
            "figures": {peer: [] for peer in dict.fromkeys([of] + names)}, "missing": {}}


def measure_row(measured, measure, rounds):
    """Each peer once in each round, one after the other."""
    for _ in range(rounds):
        for peer, figures in measured["figures"].items():
            if peer not in measured["missing"]:
                try:
                    figures.append(measure(measured["id"], peer))
                except Missing as why:
                    measured["missing"][peer] = str(why)
    measured["figures"] = {peer: figures for peer, figures in measured["figures"].items() if figures}


def median(measured, peer):
    return statistics.median(measured["figures"][peer])


def better_by(measured, ours, theirs):
    """How many times as good as theirs; None where nothing can be said."""
    above, below = (ours, theirs) if measured["better"] == "higher" else (theirs, ours)
    return above / below if below else None


def ratio(measured, peer):
    if peer not in measured["figures"] or measured["of"] not in measured["figures"]:
        return None
    return better_by(measured, median(measured, measured["of"]), median(measured, peer))


def ratio_range(measured, peer):
    """The least and the greatest of the rounds."""
    pairs = zip(measured["figures"][measured["of"]], measured["figures"][peer])
    found = [r for r in (better_by(measured, ours, theirs) for ours, theirs in pairs) if r is not None]
    return (min(found), max(found)) if found else None


def near_limit(measured):
    """The part of the limit that is reached: 1 is all of it."""
    limit = measured["limit"]
    if limit is None or measured["of"] not in measured["figures"]:
        return None
    if isinstance(limit, str):
        return ratio(measured, limit)
    return better_by(measured, median(measured, measured["of"]), limit)


def verdicts(measured):
    """(the goal as a text, whether it is reached), for each goal that can be judged."""
    found = []
    if measured["of"] not in measured["figures"]:
        return found
    for goal in measured["goals"]:
        if goal["beside"] is None:
            found.append((f"at most {goal['most']:g}", median(measured, measured["of"]) <= goal["most"]))
        elif ratio(measured, goal["beside"]) is not None:
            found.append((f"{goal['least']:.3g} x {goal['beside']}", ratio(measured, goal["beside"]) >= goal["least"]))
    return found


def shown(measured):
    """The row as text."""
    lines = [f"{measured['id']} ({measured['unit']}, {measured['better']} is better)" +
             "".join(f"   goal {text}: {'reached' if reached else 'MISSED'}" for text, reached in verdicts(measured))]
    for peer, figures in measured["figures"].items():
        beside = ""
        if peer != measured["of"] and ratio(measured, peer) is not None:
            low, high = ratio_range(measured, peer)
            beside = f"{measured['of']} is {ratio(measured, peer):.2f} x ({low:.2f} to {high:.2f})"
            beside += "   <- limit" if peer == measured["limit"] else ""
        spread = f"{min(figures):.4g} .. {max(figures):.4g}"
        lines.append(f"  {peer:16} {median(measured, peer):>12.5g}   [{spread:^26}]   {beside}".rstrip())
    lines += [f"  {peer:16} not measured: {why}" for peer, why in measured["missing"].items() if why]
    if isinstance(measured["limit"], (int, float)):
        lines.append(f"  {'limit':16} {measured['limit']:>12g}")
    if measured["note"]:
        lines.append(f"  ({measured['note']})")
    return "\n".join(lines)


def chosen(rows, parts, program):
    found = [r for r in rows if not parts or any(part in r["id"] for part in parts)]
    if not found:
        sys.exit(f"{program}: no row's name holds {' or '.join(parts)}; there are: {' '.join(r['id'] for r in rows)}")
    return found


def report(program, rows, measure, rounds, as_json):
    """Measures all rows; prints them as they are measured, or all as JSON at the end."""
    about, began = machine(), time.time()
    if not as_json:
        print(f"{program} on {describe(about)}")
        if about["load"][0] > 0.5:
            print("The machine is busy with something else: the figures are noisy, the ratios less so.")
        sys.stdout.flush()
    for measured in rows:
        measure_row(measured, measure, rounds)
        if not as_json:
            print(shown(measured), flush=True)
    about["load"].append(os.getloadavg()[0])
    seconds = time.time() - began
    if as_json:
        stamp = datetime.datetime.fromtimestamp(began, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
        print(json.dumps({"program": program, "machine": about, "began": stamp, "seconds": round(seconds), "rounds": rounds,
                          "version": version(), "rows": rows}, indent=1))
    else:
        print(f"{len(rows)} rows in {seconds:.0f} s")
