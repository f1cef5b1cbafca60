"""Semantic versions, without build metadata (https://semver.org). Pure.

Build metadata has no precedence, and a tag of an image cannot contain it.
"""

import re

# The grammar of semver.org, without build metadata.
GRAMMAR = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"


def require_valid(text: str) -> str:
    """Return the text if it is a semantic version.

    Raises:
        ValueError: it is not.
    """
    if not re.fullmatch(GRAMMAR, text):
        raise ValueError("must be a semantic version such as 1.2.0")
    return text


# (1, 2, 0), whether it is a release, and the identifiers of a pre-release
Precedence = tuple[tuple[int, ...], bool, tuple[tuple[int, int, str], ...]]


def precedence(version: str) -> Precedence:
    """Return a key that sorts semantic versions (semver.org, 11): a release follows its pre-releases."""
    core, _, candidate = version.partition("-")
    parts = ((0, int(part), "") if part.isdigit() else (1, 0, part) for part in candidate.split("."))
    return tuple(map(int, core.split("."))), not candidate, tuple(parts)
