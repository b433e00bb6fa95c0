"""What bench/run.py makes of figures: ratios, limits, goals, the JSON form, and the pages that tools/docs/plots.py makes of it."""
import argparse
import contextlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(TOP / "bench"), str(TOP / "tools" / "docs")]

import bench  # noqa: E402
import plots  # noqa: E402
import python  # noqa: E402
import python_pools  # noqa: E402
import run  # noqa: E402
import scale  # noqa: E402


def by_table(table):
    """Measures what stands there: {peer: [a figure for each round]}."""
    left = {peer: list(figures) for peer, figures in table.items()}

    def measure(name, peer):
        if peer not in left:
            raise run.Missing("not installed")
        return left[peer].pop(0)
    return measure


def measure_all(rows, measure, rounds=None, seconds=None):
    with contextlib.redirect_stderr(io.StringIO()):
        run.measure_rows(rows, measure, rounds, seconds)


def measured(row, table, rounds):
    measure_all([row], by_table(table), rounds)
    return row


def report_as_json(rows, table, program="bench", rounds=3):
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        run.report(program, rows, by_table(table), argparse.Namespace(json=True, rounds=rounds, seconds=None))
    return json.loads(text.getvalue())


class Figures(unittest.TestCase):
    def test_ratio_is_that_of_the_medians_and_has_the_rounds_range(self):
        row = measured(run.row("trip", "us", "lower", ["pipe"]), {"prong": [1, 2, 9], "pipe": [10, 20, 27]}, 3)
        self.assertEqual(run.ratio(row, "pipe"), 10)
        self.assertEqual(run.ratio_range(row, "pipe"), (3, 10))

    def test_three_means_three_times_as_good_whichever_way_better_lies(self):
        rate = measured(run.row("rate", "msg/s", "higher", ["pipe"]), {"prong": [30], "pipe": [10]}, 1)
        trip = measured(run.row("trip", "us", "lower", ["pipe"]), {"prong": [10], "pipe": [30]}, 1)
        self.assertEqual((run.ratio(rate, "pipe"), run.ratio(trip, "pipe")), (3, 3))

    def test_limit_is_measured_with_the_row_and_its_part_is_shown(self):
        row = measured(run.row("trip", "us", "lower", [], limit="limit_spin"), {"prong": [0.4], "limit_spin": [0.1]}, 1)
        self.assertEqual(run.near_limit(row), 0.25)
        self.assertIn("<- limit", run.shown(row))

    def test_limit_can_be_a_number_and_a_figure_of_nothing_has_no_ratio(self):
        row = measured(run.row("wait", "longest/mean", "lower", [], limit=1), {"prong": [4]}, 1)
        self.assertEqual(run.near_limit(row), 0.25)
        asleep = measured(run.row("idle", "1/s", "lower", [], limit=0), {"prong": [0]}, 1)
        self.assertIsNone(run.near_limit(asleep))

    def test_goals_are_beside_a_peer_or_absolute(self):
        row = run.row("trip", "us", "lower", [], goals=[("pipe", 20), ("limit_spin", 0.5), (None, 1.5)])
        measured(row, {"prong": [1], "pipe": [21], "limit_spin": [0.4]}, 1)
        self.assertEqual([reached for _, reached in run.verdicts(row)], [True, False, True])
        self.assertIn("MISSED", run.shown(row))

    def test_missing_peer_is_told_and_not_judged(self):
        row = measured(run.row("trip", "us", "lower", ["zmq"], goals=[("zmq", 2)]), {"prong": [1, 1]}, 2)
        self.assertEqual(row["missing"], {"zmq": "not installed"})
        self.assertEqual(run.verdicts(row), [])
        self.assertIn("zmq", run.shown(row))

    def test_peers_take_turns(self):
        seen = []
        measure_all([run.row("trip", "us", "lower", ["pipe"])], lambda name, peer: seen.append(peer) or 1, 2)
        self.assertEqual(seen, ["prong", "pipe", "prong", "pipe"])


class Rounds(unittest.TestCase):
    def rounds_of(self, figures, seconds=None):
        row = run.row("trip", "us", "lower", ["pipe"], goals=[("pipe", 2)])
        measure_all([row], by_table({"prong": figures, "pipe": [1] * 10}), seconds=seconds)
        return len(row["figures"].get("prong", []))

    def test_row_that_is_steady_ends_after_three(self):
        self.assertEqual(self.rounds_of([1, 1.01, 1.02, 50, 50, 50, 50]), 3)

    def test_row_that_is_not_goes_on_until_it_is(self):
        self.assertEqual(self.rounds_of([1, 2, 1, 1, 1, 1, 1]), 4)
        self.assertEqual(self.rounds_of([1, 2, 3, 4, 5, 6, 7]), 7)

    def test_outlier_of_a_round_does_not_matter(self):
        self.assertEqual(run.spread([1, 1, 1, 1, 90]), 0)

    def test_rows_take_turns_so_that_each_has_a_round_when_the_time_is_up(self):
        seen = []
        rows = [run.row(name, "us", "lower", []) for name in ("one", "other")]
        measure_all(rows, lambda name, peer: seen.append(name) or 1, 2)
        self.assertEqual(seen, ["one", "other", "one", "other"])

    def test_row_for_which_no_time_is_left_says_so(self):
        row = run.row("trip", "us", "lower", [])
        measure_all([row], by_table({"prong": [1] * 9}), seconds=-1)
        self.assertEqual(row["missing"], {"prong": "no time was left"})


class Rows(unittest.TestCase):
    def all_rows(self):
        return bench.all_rows() + scale.all_rows() + python.all_rows() + python_pools.all_rows()

    def test_names_are_unique(self):
        names = [row["id"] for row in self.all_rows()]
        self.assertEqual(len(names), len(set(names)))

    def test_each_limit_is_a_peer_that_the_program_knows(self):
        sources = "".join(path.read_text() for path in (TOP / "bench").glob("*.c"))
        for row in bench.all_rows():
            for peer in row["figures"]:
                if peer.startswith("limit_"):
                    self.assertIn(f'"{peer}"', sources, row["id"])

    def test_each_scale_row_is_one_of_the_program(self):
        sources = (TOP / "bench" / "scale.c").read_text()
        self.assertEqual(set(re.findall(r'"(scale_\w+)"', sources)), set(scale.ROWS))

    def test_growth_is_judged_beside_the_smallest_number(self):
        row = next(row for row in scale.all_rows() if row["id"] == "scale_nesting")
        measured(row, {"1": [10], "10": [12], "100": [21]}, 1)
        self.assertEqual([reached for _, reached in run.verdicts(row)], [False])

    def test_one_form_for_all_programs(self):
        keys = {frozenset(row) for row in self.all_rows()}
        self.assertEqual(len(keys), 1)


class Pages(unittest.TestCase):
    def pages(self, *documents):
        with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as made:
            for at, document in enumerate(documents):
                (pathlib.Path(source) / f"machine-{at}.json").write_text(json.dumps(document))
            plots.main(source, made)
            return {path.name: path.read_text() for path in pathlib.Path(made).iterdir()}

    def test_without_measurements_the_page_tells_how_to_get_them(self):
        self.assertEqual(sorted(self.pages()), ["performance-plots.md", "performance-rows.md"])

    def test_page_of_rows_tells_what_each_measures_and_its_goals(self):
        page = self.pages()["performance-rows.md"]
        for row in bench.all_rows() + scale.all_rows() + python.all_rows() + python_pools.all_rows():
            self.assertTrue(row["what"], row["id"])
            self.assertIn(f"| `{row['id']}` | {plots.sentences(row)} |", page)
        self.assertIn("| `limit_spin` | 0.5 × limit_spin, 20 × pipe |", page)

    def test_page_names_what_failed(self):
        document = report_as_json([run.row("trip", "us", "lower", [])], {"prong": [1, 2, 3]})
        document["rows"][0].update(missing={"pipe": "it took longer than 60 s"}, failed=["pipe"])
        self.assertIn("- `trip` pipe: it took longer than 60 s", self.pages(document)["performance-machine-0.md"])

    def test_json_names_machine_load_and_version(self):
        document = report_as_json([run.row("trip", "us", "lower", [])], {"prong": [1, 2, 3]})
        self.assertTrue(document["machine"]["cpu"])
        self.assertEqual(len(document["machine"]["load"]), 2)
        self.assertEqual(document["rows"][0]["figures"], {"prong": [1, 2, 3]})
        self.assertEqual((document["rounds"], document["program"]), (3, "bench"))
        self.assertRegex(document["version"], r"^\d+\.\d+")

    def test_page_has_table_and_plot_with_the_limit(self):
        row = run.row("trip", "us", "lower", ["pipe"], limit="limit_spin", goals=[("limit_spin", 0.5)])
        table = {"prong": [1, 1, 1], "pipe": [5, 6, 7], "limit_spin": [0.25] * 3}
        pages = self.pages(report_as_json([row], table))
        page = pages["performance-machine-0.md"]
        self.assertIn("| `trip` | 1 us | 0.25 × limit_spin | pipe 6 (5 to 7) | 0.5 × limit_spin: **no** |", page)
        self.assertIn(plots.COLOURS["limit"], page)
        self.assertIn("performance-machine-0", pages["performance-plots.md"])

    def test_page_of_growth_shows_each_number(self):
        row = next(row for row in scale.all_rows() if row["id"] == "scale_nesting")
        page = self.pages(report_as_json([row], {"1": [10], "10": [10], "100": [15]}, "bench-scale", 1))["performance-machine-0.md"]
        self.assertIn("1: 10 (1.00), 10: 10 (1.00), 100: 15 (1.50)", page)

    def test_busy_machine_is_told(self):
        document = report_as_json([run.row("trip", "us", "lower", [])], {"prong": [1, 1, 1]})
        document["machine"]["load"] = [document["machine"]["cores"] + 3.0, 0.1]
        self.assertIn("busy", self.pages(document)["performance-machine-0.md"])


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    unittest.main()
