"""check_run.py BENCH-LEAN: that the benchmarks run, what a run prints, and what it does when a measurement fails."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
LEAN = sys.argv.pop()
PRETEND = """#!/bin/sh
case "$1 $2" in
"queue_empty_KiB prong") echo 1000 ;;
"pipe_empty_KiB prong") echo "no pipe today" >&2; exit 1 ;;
"wait_rtt_8B pipe_poll") echo - ;;
"scale_nesting 100") sleep 1000 & echo 10 ;;
*) echo 5 ;;
esac
"""


def run(script, program, *arguments):
    return subprocess.run([sys.executable, TOP / "bench" / script, program, *arguments], capture_output=True, text=True)


class Runs(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.pretend = os.path.join(directory.name, "bench")
        for name in (self.pretend, self.pretend + "-lean"):
            pathlib.Path(name).write_text(PRETEND)
            os.chmod(name, 0o755)

    def test_one_round_of_a_small_row_is_valid_json(self):
        done = run("bench.py", LEAN[:-len("-lean")], "queue_empty", "--json", "--rounds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual((document["program"], document["rounds"], document["rows"][0]["id"]), ("bench", 1, "queue_empty_KiB"))
        self.assertGreater(document["rows"][0]["figures"]["prong"][0], 0)

    def test_growth_has_the_same_form_and_a_process_left_over_is_ended(self):
        done = run("scale.py", self.pretend, "scale_nesting", "--json", "--rounds", "1")
        row = json.loads(done.stdout)["rows"][0]
        self.assertEqual((done.returncode, row["figures"]), (0, {"1": [5], "10": [5], "100": [10]}))

    def test_missed_goal_is_printed(self):
        done = run("bench.py", self.pretend, "queue_empty_KiB", "--rounds", "1")
        self.assertIn("goal at most 4: MISSED", done.stdout)
        self.assertIn("goals missed: queue_empty_KiB", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_row_that_fails_is_named_and_the_others_are_measured(self):
        done = run("bench.py", self.pretend, "pipe_empty_KiB", "wait_rtt_8B", "--rounds", "1")
        self.assertIn("failed: pipe_empty_KiB prong: no pipe today", done.stdout)
        self.assertIn("limit_spin", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_peer_that_is_not_here_is_no_failure(self):
        self.assertEqual(run("bench.py", self.pretend, "wait_rtt_8B", "--rounds", "1").returncode, 0)


if __name__ == "__main__":
    unittest.main()
