#!/usr/bin/env python3
"""What `meson test` has done: of each test that failed, what belongs to the failure; of each that skipped something, what and why;
last, "counts PASSED FAILED SKIPPED NAMES".

    report.py TESTLOG.JSON

Most of our programs speak TAP. Others end with "N passed, N failed[, N skipped: NAMES]", are a unittest of Python's, or say by their
exit code alone how they ended."""

import json
import re
import sys

SHOWN_MOST, LAST_LINES, REPORT_LINES = 80, 15, 40
BELONGS = re.compile(r"^(FAIL|not ok|#   |# [a-z_0-9]+: |ERROR: |Traceback|  File |  [a-z_0-9]+: |[^ ]*\.(c|h|py):[0-9]+: |==[0-9]+== |[A-Za-z_.]*(Error|Exception): )"
                     r"|runtime error: ")
SANITIZER = re.compile(r"ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer")
TAP_LINE = re.compile(r"^(not )?ok \d+(?: - )?([^#]*?)\s*(?:# *SKIP *(.*))?$", re.IGNORECASE)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped(?:: (.*))?)?$")
SKIP_LINE = re.compile(r"^skip (\S+)")
REASON_LINE = re.compile(r"^ *skipped: (.*)")
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_SKIPS = re.compile(r"^(?:OK|FAILED) \(.*?skipped=(\d+)", re.MULTILINE)
UNITTEST_BAD = re.compile(r"^(?:ERROR|FAIL): ", re.MULTILINE)
UNITTEST_SKIPPED = re.compile(r"^(test_\w+) \([^\n]*\)(?:\n[^\n]*)?? \.\.\. skipped ['\"]?(.*?)['\"]?$", re.MULTILINE)


class Outcome:
    """What one test, as Meson has it, comes to."""

    def __init__(self, record):
        self.name = record["name"].split(" / ")[-1]
        self.result, self.code = record["result"], record.get("returncode", 0)
        self.out, self.err = record.get("stdout", ""), record.get("stderr", "")
        self.passed = self.failed = self.skipped = 0
        self.names, self.reasons = [], []
        self.complete = self.count_tap() or self.count_summary() or self.count_unittest()
        self.settle()

    def skip(self, name, reason=""):
        self.names.append(name)
        if reason and reason not in self.reasons:
            self.reasons.append(reason)

    def count_tap(self):
        lines = self.out.splitlines()
        for line in lines:
            match = TAP_LINE.match(line)
            if not match:
                continue
            if match[1]:
                self.failed += 1
            elif match[3] is not None:
                self.skipped += 1
                self.skip(match[2], match[3])
            else:
                self.passed += 1
        return any(re.match(r"1\.\.\d+$", line) for line in lines)

    def count_summary(self):
        found = False
        for line in (self.out + "\n" + self.err).splitlines():
            if SKIP_LINE.match(line):
                self.skip(SKIP_LINE.match(line)[1])
            elif REASON_LINE.match(line):
                self.skip_reason(REASON_LINE.match(line)[1])
            elif re.match(r"^\d+ skipped$", line):
                self.skipped += int(line.split()[0])
            match = SUMMARY.match(line)
            if match:
                found = True
                self.passed, self.failed = self.passed + int(match[1]), self.failed + int(match[2])
                self.skipped += int(match[3] or 0)
                if match[4]:
                    self.skip(match[4])
        return found

    def skip_reason(self, reason):
        if reason not in self.reasons:
            self.reasons.append(reason)

    def count_unittest(self):
        text = self.out + "\n" + self.err
        ran = UNITTEST_RAN.search(text)
        if not ran:
            return False
        skips = UNITTEST_SKIPS.search(text)
        self.skipped = int(skips[1]) if skips else 0
        self.failed = min(len(UNITTEST_BAD.findall(text)), int(ran[1]))
        self.passed = int(ran[1]) - self.failed - self.skipped
        for name, reason in UNITTEST_SKIPPED.findall(text):
            self.skip(name, reason)
        return True

    def settle(self):
        """A test that failed without saying of what has failed once; one that says nothing and ended well has passed once."""
        wrong = self.result not in ("OK", "SKIP", "EXPECTEDFAIL")
        sanitized = SANITIZER.search(self.out + self.err) is not None
        if (wrong or sanitized) and not self.failed:
            self.failed = 1
        elif not self.complete and not wrong:
            if self.result == "SKIP":
                self.skipped = max(1, self.skipped)
                if not self.names:
                    self.skip(self.name)
            else:
                self.passed = max(1, self.passed)

    def show_failure(self):
        how = f"exit status {self.code}" if self.code >= 0 else f"killed by signal {-self.code}"
        print(f"--- {self.name}: {'out of time' if self.result == 'TIMEOUT' else how}")
        lines = (self.out + "\n" + self.err).splitlines()
        shown, report = 0, 0
        for line in lines:
            if shown == SHOWN_MOST:
                break
            if SANITIZER.search(line):  # its report goes on to its summary
                report = REPORT_LINES
            if report > 0 or BELONGS.search(line):
                print(line)
                shown += 1
            report = 0 if line.startswith("SUMMARY: ") else report - 1
        if not (self.complete and shown):
            print("--- its last lines")
            print("\n".join(lines[-LAST_LINES:]))

    def show_skips(self):
        names = ", ".join(dict.fromkeys(self.names)) or str(self.skipped)
        print(f"    skipped, {self.name}: {names}" + (": " + "; ".join(self.reasons) if self.reasons else ""))


def main():
    with open(sys.argv[1]) as file:
        outcomes = [Outcome(json.loads(line)) for line in file if line.strip()]
    outcomes.sort(key=lambda outcome: outcome.name)
    for outcome in outcomes:
        if outcome.failed:
            outcome.show_failure()
        if outcome.skipped:
            outcome.show_skips()
    names = ", ".join(name for outcome in outcomes for name in dict.fromkeys(outcome.names))
    print("counts", *(sum(getattr(outcome, word) for outcome in outcomes) for word in ("passed", "failed", "skipped")), names)


if __name__ == "__main__":
    main()
