"""Measure what the plugin adds to a process that only loads it: a scheduler, or each task.

New interpreters run with and without the plugin in turn. Both first import what a task process imports
before it loads plugins. Then both ask Airflow's plugin manager to load all installed plugins.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 15
GOAL_MS = 3

CODE = """
import sys, time
from airflow.cli.commands import task_command
from airflow import plugins_manager as manager
original = manager.entry_points_with_dist
if sys.argv[1] == "without":
    manager.entry_points_with_dist = lambda group: (
        (entry, dist) for entry, dist in original(group) if entry.name != "platform"
    )
started = time.perf_counter()
manager.ensure_plugins_loaded()
took = time.perf_counter() - started
assert ("platform" in {plugin.name for plugin in manager.plugins}) is (sys.argv[1] == "with")
print(took * 1000)
"""


def measure(kind: str) -> float:
    """Return how long a new process took to load all plugins, in milliseconds."""
    command = [sys.executable, "-W", "ignore", "-c", CODE, kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["AIRFLOW_HOME"] = home
        measure("with")  # compiles, and creates airflow.cfg
        pairs = [(measure("with"), measure("without")) for _ in range(ROUNDS)]
    plugin, peer = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        json.dumps(
            {
                "benchmark": "plugin-load",
                "with_plugin_ms": round(plugin, 2),
                "without_plugin_ms": round(peer, 2),
                "added_ms": round(plugin - peer, 2),
                "ratio": round(plugin / peer, 2),
                "goal_added_ms": GOAL_MS,
            }
        )
    )


if __name__ == "__main__":
    main()
