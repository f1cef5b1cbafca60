"""No input makes a regular expression or a parser slow."""

import re
from typing import Any

import patterns
import pytest

FOUND = list(patterns.found())
TRIED = {found.where: found for found in FOUND if isinstance(found, patterns.Pattern)}


def test_every_pattern_is_found_and_tried() -> None:
    """For a pattern that is built at run time, the table of parsers says how to get it."""
    assert {found.where for found in FOUND if isinstance(found, patterns.Unclear)} == set(patterns.MADE)
    assert set(patterns.MADE.values()) <= set(patterns.PARSERS)
    assert len(TRIED) > 30
    assert {where.partition(".")[0] for where in TRIED} >= {"airflow_platform_plugin"}


@pytest.mark.parametrize("where", sorted(TRIED))
def test_a_pattern_takes_linear_time(where: str) -> None:
    """Four times the length takes at most four times as long, for the worst of thousands of texts."""
    pattern = TRIED[where]
    attack, once, four_times = patterns.worst(pattern.run, patterns.attacks(pattern.source))
    assert patterns.is_linear(once, four_times), (attack(3), once, four_times)


@pytest.mark.parametrize("name", patterns.PARSERS)
def test_a_parser_takes_linear_time(name: str) -> None:
    run, attacks = patterns.PARSERS[name]
    for attack in attacks:
        once, four_times = patterns.growth(run, attack, 2_000, hopeless=1)
        assert patterns.is_linear(once, four_times), (attack(3), once, four_times)


@pytest.mark.parametrize(
    ("source", "method"),
    [
        (r"[+-]?(?:\d+\.?\d*|\.\d+)", "fullmatch"),  # what quantities once were
        (r"(?<=://)\S+(?=@)", "sub"),  # what masked addresses once were
        (r"\s+$", "sub"),
        (r"role .* does not exist", "search"),
        (r"(a+)+b", "match"),
        (r"(?:a|b|ab)*_", "match"),
        (r"[a-z]*[a-z0-9]*@", "match"),
        (r"^(\w+\s?)*$", "match"),
    ],
)
def test_a_slow_pattern_is_detected(source: str, method: str) -> None:
    """This shows that the tests above can fail."""
    run: Any = patterns._run(re.compile(source), method)
    _, once, four_times = patterns.worst(run, patterns.attacks(source))
    assert not patterns.is_linear(once, four_times)
