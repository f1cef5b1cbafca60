"""Shell patterns: the same results as fnmatch, and patterns that make other matchers slow."""

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_platform_plugin.core import globs

LONGEST = 250  # characters of a DAG's id, and of a pattern


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.text("ab*?[]!-", max_size=8), max_size=4),
    st.text("ab[]!-*?", max_size=8),
)
@example(["[]a]"], "]")
@example(["[!]a]"], "b")
@example(["[!"], "[!")
@example(["a[", "[]"], "[]")
@example(["**a**"], "xax")
@example(["[a-]"], "-")
@example([""], "")
@example(["*"], "")
@example(["?"], "\U0001f600")
def test_patterns_match_as_in_fnmatch(patterns: list[str], text: str) -> None:
    """Except reversed ranges, which match nothing here; in fnmatch some of them match everything."""
    if any(_goes_backwards(pattern) for pattern in patterns):
        return
    expected = any(fnmatchcase(text, pattern) for pattern in patterns)
    assert globs.Globs(patterns).match(text) is expected


def _goes_backwards(pattern: str) -> bool:
    ranges = (pattern[at - 1 : at + 2] for at, letter in enumerate(pattern) if letter == "-" and at)
    return "[" in pattern and any(len(each) == 3 and each[0] > each[2] for each in ranges)


@pytest.mark.parametrize(
    "patterns",
    [
        ["*a" * 124 + "*b" + str(number) for number in range(100)],
        ["*" + "a" * 246 + "b" + str(number) for number in range(100)],
        ["*" + "a?" * 122 + f"b{number}" for number in range(100)],
        ["*" + "[ab]" * 60 + "c" + str(number) for number in range(100)],
        ["[" * 240 + str(number) for number in range(100)],
        [f"*z{number:05}*" for number in range(90_000)],
        [f"z{number:05}" for number in range(90_000)],
        [f"z{number:05}*" for number in range(90_000)],
    ],
    ids=["stars", "late", "any", "classes", "open", "many", "names", "prefixes"],
)
def test_no_pattern_takes_much_longer_than_another(patterns: list[str]) -> None:
    """A hundred of the worst against the longest id: some milliseconds, where fnmatch takes minutes for some.

    The bound is some hundred times what was measured, for machines that are busy.
    """
    made = globs.Globs(patterns)
    made.match("warm-up")
    started = time.process_time()
    for number in range(10):
        assert not made.match("a" * (LONGEST - 1) + str(number))
    assert (time.process_time() - started) / 10 < 0.1


def test_the_caches_are_bounded() -> None:
    """The caches of letters and of names: requests may bring any number of them."""
    made = globs.Globs(["*x*y?", "[a-z]*q"])
    for number in range(3 * globs._MOST_NAMES):
        assert made.match(f"x{chr(1000 + number)}y{number % 10}")
    assert len(made._known) <= globs._MOST_NAMES
    assert len(made._moves) <= globs._MOST_LETTERS


def test_the_same_patterns_are_compiled_once() -> None:
    assert globs.compiled(("a*", "*b*c")) is globs.compiled(("a*", "*b*c"))
