"""Shell patterns: match a text with many at once, in time linear in the text and the patterns. Pure.

``*``, ``?``, ``[seq]`` and ``[!seq]`` mean the same as in ``fnmatch``. ``fnmatch`` compiles each pattern to a
regular expression, whose search tries ``*aaa…b`` again from each letter, and caches at most 32,768 of them.
Here all patterns are one automaton (Shift-And, by Baeza-Yates and Gonnet): each bit of a number says that a
pattern's first parts match the text so far, and a letter moves all bits at once.
"""

from collections.abc import Iterable
from functools import lru_cache

_STAR = "*"
_MAGIC = frozenset("*?[")
# Sizes of two caches: the moves of letters, and the results for names.
_MOST_LETTERS = 128
_MOST_NAMES = 2000


class Globs:
    """Some patterns; a text matches if it matches one of them."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._literals: set[str] = set()
        prefixes: list[str] = []
        self._letters: dict[str, list[int]] = {}
        self._any: list[int] = []
        self._classes: dict[str, list[int]] = {}
        self._moves: dict[str, int] = {}
        self._known: dict[str, bool] = {}
        self._size = 0
        first: list[int] = []
        last: list[int] = []
        stars: list[int] = []
        for pattern in dict.fromkeys(patterns):
            if _MAGIC.isdisjoint(pattern):
                self._literals.add(pattern)
            elif pattern.endswith(_STAR) and _MAGIC.isdisjoint(start := pattern.rstrip(_STAR)):
                prefixes.append(start)
            else:
                first.append(self._size)
                self._add(pattern, stars)
                last.append(self._size)
                self._size += 1
        self._prefixes = tuple(prefixes)
        self._first, self._last, self._stars = (self._bits(marked) for marked in (first, last, stars))

    def match(self, text: str) -> bool:
        """Return whether the whole text matches one of the patterns."""
        if text in self._literals or text.startswith(self._prefixes):
            return True
        if not self._first:
            return False
        known = self._known.get(text)
        if known is None:
            known = self._run(text)
            if len(self._known) >= _MOST_NAMES:
                self._known.clear()
            self._known[text] = known
        return known

    def _run(self, text: str) -> bool:
        state, stars = self._first, self._stars
        for letter in text:
            state = ((state & self._move(letter)) << 1) | (state & stars)
            if not state:
                return False
        return bool(state & self._last)

    def _add(self, pattern: str, stars: list[int]) -> None:
        """Add the states at which the parts of the pattern begin."""
        for part in _parts(pattern):
            if part == _STAR:
                if not stars or stars[-1] != self._size:
                    stars.append(self._size)
                continue
            if part == "?":
                self._any.append(self._size)
            elif len(part) == 1:
                self._letters.setdefault(part, []).append(self._size)
            else:
                self._classes.setdefault(part, []).append(self._size)
            self._size += 1

    def _move(self, letter: str) -> int:
        """Return the states that the letter moves on, as bits."""
        found = self._moves.get(letter)
        if found is None:
            moved = [*self._any, *self._letters.get(letter, ())]
            for part, states in self._classes.items():
                if _in_class(part, letter):
                    moved += states
            if len(self._moves) >= _MOST_LETTERS:
                self._moves.clear()
            found = self._moves[letter] = self._bits(moved)
        return found

    def _bits(self, states: Iterable[int]) -> int:
        # Bytes, because setting one bit of a long number copies the number.
        data = bytearray(self._size // 8 + 1)
        for state in states:
            data[state >> 3] |= 1 << (state & 7)
        return int.from_bytes(data, "little")


@lru_cache(maxsize=128)
def compile_patterns(patterns: tuple[str, ...]) -> Globs:
    """Return the patterns, compiled once in a process while they are in use."""
    return Globs(patterns)


def _parts(pattern: str) -> list[str]:
    """Split a pattern into letters, ``?``, ``*`` and whole ``[…]``; an unclosed ``[`` is written ``[[]``."""
    parts: list[str] = []
    at = 0
    closes = True  # once no "]" follows, none follows later
    while at < len(pattern):
        letter = pattern[at]
        end = at
        if letter == "[" and closes:
            start = at + 1 + pattern.startswith("!", at + 1)
            end = pattern.find("]", start + 1)
            closes = end != -1
            end = max(end, at)
        parts.append("[[]" if letter == "[" and end == at else pattern[at : end + 1])
        at = end + 1
    return parts


def _in_class(part: str, letter: str) -> bool:
    """Return whether the letter matches ``[seq]`` or ``[!seq]``."""
    inner = part[1:-1]
    negated = inner.startswith("!")
    inner = inner[negated:]
    at, found = 0, False
    while at < len(inner) and not found:
        if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
            found = inner[at] <= letter <= inner[at + 2]
            at += 3
        else:
            found = inner[at] == letter
            at += 1
    return found != negated
