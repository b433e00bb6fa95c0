"""What bench.py, python.py and scale.py share: rows that are measured in turn, their figures as text and as JSON.

All rows are measured once, then all once more, and so on: in each round every peer of a row is measured once, one after the other.
A row has three rounds at least and seven at most; from the third on it ends when its medians are steady: leaving out any one
round would move none of them by more than 5 %. The run ends when its time is up.

The JSON form, one object for a run:
  program   "bench", "bench-python", "bench-pools" or "bench-scale"
  machine   cpu, cores, memory_MiB, kernel, system, python; load: the load averages of the last minute before and after the run
  began     UTC;  seconds;  rounds: the most of any row;  version: prong's;  peers: {name: version}, of those that have one
  rows      a list of
    id, what, unit, better ("higher" or "lower")
    of       whose figures these are: "prong", or in a scale row the largest number
    limit    the name in figures of what the machine allows, a number, or null;  note: why it is that, or why the row ends there
    goals    [{"beside": name, a list of names (the best of them), or null, "least": ratio to it, or for null "most": a figure}]
    figures  {name: [the figure of each round]}
    missing  {name: why it has none}
    failed   the names in missing whose measurement failed; the run's exit status is then 1
A ratio is that of the medians; 3 means three times as good, whichever way better lies.
"""
import argparse
import datetime
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time

LEAST_ROUNDS, MOST_ROUNDS, STEADY = 3, 7, 0.05
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


class Failed(Missing):
    """This figure could be had, and was not."""


def row(name, unit, better, peers, what="", of="prong", limit=None, goals=(), note=""):
    """One row, without figures yet. A goal is (peer, ratio), (peers, ratio to the best of them), or (None, the worst figure allowed)."""
    wanted = [{"beside": peer, "least": least} if peer else {"beside": None, "most": least} for peer, least in goals]
    names = [*peers, *([limit] if isinstance(limit, str) else []), *(peer for goal in wanted for peer in beside(goal))]
    return {"id": name, "what": what, "unit": unit, "better": better, "of": of, "limit": limit, "note": note, "goals": wanted,
            "figures": {peer: [] for peer in dict.fromkeys([of] + names)}, "missing": {}, "failed": []}


def beside(goal):
    """The names that the goal compares with."""
    return goal["beside"] if isinstance(goal["beside"], list) else [goal["beside"]] if goal["beside"] else []


def figure_of(command, seconds, environment=None):
    """The number that the command prints last, or "-" and why there is none here. Whatever it has started ends with it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(command, stdout=out, stderr=errors, env=environment, start_new_session=True)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"it took longer than {seconds:g} s") from None
        finally:
            end_group(child.pid)
            child.wait()
        return figure_in(child.returncode, *(file.seek(0) or file.read().strip().splitlines() for file in (out, errors)))


def figure_in(status, lines, errors):
    if status != 0 or not lines:
        raise Failed((errors or [f"exit status {status}"])[-1])
    if lines[-1].split()[0] == "-":
        raise Missing(lines[-1][1:].strip())
    return float(lines[-1])


def end_group(leader):
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def measure_row(measured, measure, end):
    """One round: each peer once, one after the other, until the time is up."""
    for peer, figures in measured["figures"].items():
        if peer not in measured["missing"] and time.time() < end:
            try:
                figures.append(measure(measured["id"], peer))
            except Missing as why:
                measured["missing"][peer] = str(why)
                measured["failed"] += [peer] if isinstance(why, Failed) else []


def spread(figures):
    """By what part the median moves at most when one round is left out."""
    others = [statistics.median(figures[:at] + figures[at + 1:]) for at in range(len(figures))]
    return (max(others) - min(others)) / (abs(statistics.median(figures)) or 1)


def settled(measured, rounds):
    """Whether the row needs no further round: of so many, or if that is None, of as many as make it steady."""
    had = max(len(figures) for figures in measured["figures"].values())
    if measured["of"] in measured["missing"] or had >= (rounds or MOST_ROUNDS):
        return True
    judged = [measured["of"], measured["limit"]] + [best_beside(measured, goal) for goal in measured["goals"]]
    spreads = [spread(figures) for peer, figures in measured["figures"].items() if peer in judged and len(figures) > 1]
    return rounds is None and had >= LEAST_ROUNDS and max(spreads) <= STEADY


def measure_rows(rows, measure, rounds, seconds):
    """Round after round of those rows that need one, until all have enough or the time is up."""
    end, turn = time.time() + (seconds or float("inf")), 0
    while any(not settled(measured, rounds) for measured in rows) and time.time() < end:
        turn += 1
        waiting = [measured for measured in rows if not settled(measured, rounds)]
        print(f"round {turn}: {len(waiting)} rows", file=sys.stderr, flush=True)
        for measured in waiting:
            measure_row(measured, measure, end)
    for measured in rows:
        for peer, figures in measured["figures"].items():
            if not figures:
                measured["missing"].setdefault(peer, "no time was left")
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


def best_beside(measured, goal):
    """Of those that the goal compares with and that have figures, the best; or None."""
    there = [peer for peer in beside(goal) if measured["figures"].get(peer)]
    best = max if measured["better"] == "higher" else min
    return best(there, key=lambda peer: median(measured, peer), default=None)


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
        best = best_beside(measured, goal)
        if goal["beside"] is None:
            found.append((f"at most {goal['most']:g}", median(measured, measured["of"]) <= goal["most"]))
        elif best and ratio(measured, best) is not None:
            found.append((f"{goal['least']:.3g} x {best}", ratio(measured, best) >= goal["least"]))
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
        extent = f"{min(figures):.4g} .. {max(figures):.4g}"
        lines.append(f"  {peer:16} {median(measured, peer):>12.5g}   [{extent:^26}]   {beside}".rstrip())
    lines += [f"  {peer:16} {'failed' if peer in measured['failed'] else 'missing'}: {why}"
              for peer, why in measured["missing"].items() if why]
    if not isinstance(measured["limit"], str) and measured["of"] == "prong":
        lines.append(f"  {'limit':16} {'none known' if measured['limit'] is None else format(measured['limit'], 'g'):>12}")
    if measured["note"]:
        lines.append(f"  ({measured['note']})")
    return "\n".join(lines)


def summary(rows, seconds):
    """The last lines: which goals were missed, and what failed."""
    missed = [measured["id"] for measured in rows if not all(reached for _, reached in verdicts(measured))]
    failed = [f"{measured['id']} {peer}: {measured['missing'][peer]}" for measured in rows for peer in measured["failed"]]
    lines = [f"{len(rows)} rows in {seconds:.0f} s; " + (f"goals missed: {', '.join(missed)}" if missed else "no goal missed")]
    return "\n".join(lines + [f"failed: {text}" for text in failed])


def options(usage, program=True, seconds=None):
    """What each of the programs is called with; seconds: how long a run without --rounds may measure."""
    parser = argparse.ArgumentParser(description=usage)
    if program:
        parser.add_argument("program", help="the benchmark program")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a part of a row's name; all rows if there is none")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--rounds", type=int, help=f"so many; by default {LEAST_ROUNDS} to {MOST_ROUNDS}, until a row is steady")
    parser.add_argument("--seconds", type=float, help="measure no longer than that; what is left then has fewer rounds, or none")
    chosen = parser.parse_intermixed_args()
    if not chosen.rounds and not chosen.seconds:
        chosen.seconds = seconds
    return chosen


def chosen(rows, parts, program):
    found = [r for r in rows if not parts or any(part in r["id"] for part in parts)]
    if not found:
        sys.exit(f"{program}: no row's name holds {' or '.join(parts)}; there are: {' '.join(r['id'] for r in rows)}")
    return found


def report(program, rows, measure, called, peers=None):
    """Measures the rows as the command line asks for; prints them as text or as JSON. The exit status."""
    about, began = machine(), time.time()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is being measured ends with this program
    if not called.json:
        print(f"{program} on {describe(about)}" + (f"; {listed(peers)}" if peers else ""))
        if about["load"][0] > 0.5:
            print("The machine is busy with something else: the figures are noisy, the ratios less so.")
        sys.stdout.flush()
    measure_rows(rows, measure, called.rounds, called.seconds)
    about["load"].append(os.getloadavg()[0])
    seconds = time.time() - began
    if called.json:
        print(json.dumps(as_json(program, about, began, seconds, rows, peers), indent=1))
    else:
        print("\n".join(shown(measured) for measured in rows))
    print(summary(rows, seconds), file=sys.stderr if called.json else sys.stdout)
    return 1 if any(measured["failed"] for measured in rows) else 0


def listed(peers):
    return ", ".join(f"{name} {version}" for name, version in peers.items())


def as_json(program, about, began, seconds, rows, peers):
    stamp = datetime.datetime.fromtimestamp(began, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")
    rounds = max(len(figures) for measured in rows for figures in measured["figures"].values() or [[]])
    return {"program": program, "machine": about, "began": stamp, "seconds": round(seconds), "rounds": rounds,
            "version": version(), "peers": peers or {}, "rows": rows}
