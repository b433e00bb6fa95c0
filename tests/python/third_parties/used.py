"""A plugin for pytest: a run with prong in multiprocessing's place says what it asked of the core, and fails where prong is not there."""

import os
import sys


def pytest_configure(config):
    if os.environ.get("PRONG_IN_PLACE"):
        from prong._impl import install
        if not install.installed:
            sys.exit("prong is not in multiprocessing's place in this interpreter")


def pytest_terminal_summary(terminalreporter):
    if os.environ.get("PRONG_IN_PLACE"):
        import prong
        calls = ", ".join(f"{name} {count}" for name, count in prong._core.calls().items() if count)
        terminalreporter.write_line(f"asked of the core: {calls or 'nothing'}")
