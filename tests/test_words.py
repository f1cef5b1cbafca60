"""The check of words (scripts/check-words) finds what it lists and nothing else."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def checker() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "check-words")))


@pytest.mark.parametrize(
    "text",
    [
        "It is told once.",
        "TOLD: ...",
        "def test_it_is_told_once() -> None:",
        "Whoever asks, whom it asks, whosesoever it is",
        "beside Airflow's own",
        "Tenant 'x' has not the feature 'gpu_support'.",
        "they have not any",
        "a proxy stands in for the server",
        "three parts, of which one is empty",
        "as RFC 7493 has it",
        "as the DAG's own timetable has it",
        "the operator takes back the right",
        "There is none.",
        "the how manieth try",
        "'test' is a word of the API",
        "neither a key nor a token",
        "ten at the most",
        "on an own connection",
        "overwrite what is there",
        "thereby",
    ],
)
def test_a_word_to_avoid_is_found(checker: SimpleNamespace, text: str) -> None:
    assert list(checker.find("a.md", text))


@pytest.mark.parametrize(
    "text",
    [
        "Besides, an untold story retold",
        "if x is None: return None",
        "as soon as the scheduler has it",
        "as long as the DAG has it",
        "the key has not expired",
        "an owner, an ownership",
        "normal, northern, tenor, a minor version",
        "which of the two",
        "it stands at 10",
        "at most ten, the most recent",
        "getaddrinfo: nodename nor servname provided",
    ],
)
def test_a_text_without_such_words_passes(checker: SimpleNamespace, text: str) -> None:
    assert not list(checker.find("a.md", text))


@pytest.mark.parametrize("between", [" ", "\n", "\n    # ", "_", "\n* ", "\n> "])
def test_a_phrase_is_found_across_lines_and_in_identifiers(checker: SimpleNamespace, between: str) -> None:
    (hit,) = checker.find("a.py", f"first line\nit has{between}not{between}the right")
    assert hit.line == 2


def test_a_hit_names_its_file_and_line(checker: SimpleNamespace) -> None:
    """A reader can jump from the output to the place."""
    (hit,) = checker.find("docs/a.md", "one\ntwo\nit was told\n")
    assert (hit.path, hit.line, hit.word) == ("docs/a.md", 3, "told")


def test_every_word_finds_itself(checker: SimpleNamespace) -> None:
    """The groups of the one pattern stay in step with the advice."""
    plain = [word for word in checker.AVOID if word.replace(" ", "").isalpha()]
    assert len(plain) > 5
    for word in plain:
        (hit,) = checker.find("a.md", word)
        assert hit.advice == checker.AVOID[word]


def test_scripts_without_a_suffix_are_read_and_exempt_files_are_not(checker: SimpleNamespace) -> None:
    """The list of files is git's, without data, generated lists and quotations."""
    names = set(checker.tracked([]))
    assert {"scripts/check", ".ci/run", "README.md", "pyproject.toml", "setup.cfg"} <= names
    assert not names & {*checker.EXEMPT, "LICENSE", "constraints.txt"}


def test_exempt_files_exist(checker: SimpleNamespace) -> None:
    """An exemption that no longer applies is removed."""
    for name in checker.EXEMPT:
        assert (ROOT / name).exists(), name
