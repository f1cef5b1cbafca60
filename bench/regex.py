"""Measure regular expressions and parsers on the longest text that they may get, in the worst known case."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for its table

import patterns

GOAL_GROWTH = 4.0


def main() -> None:
    """Measure each and print."""
    table = {}
    for found in patterns.found():
        if isinstance(found, patterns.Pattern):
            table[found.where] = patterns.worst(found.run, patterns.attacks(found.source))
    for name, (run, attacks) in patterns.PARSERS.items():
        measured = [(attack, *patterns.growth(run, attack)) for attack in attacks]
        table[name] = max(measured, key=lambda one: one[2])
    lines = {
        where: {
            "text": attack(2),
            "milliseconds": round(once * 1000, 3),
            "times_as_long_for_four_times_the_text": round(four_times / once, 1),
        }
        for where, (attack, once, four_times) in sorted(table.items())
    }
    print(json.dumps({"benchmark": "regex", "goal_growth": GOAL_GROWTH, "worst": lines}, indent=1))


if __name__ == "__main__":
    main()
