"""Secrets of a connection: hidden in what is shown, named, and kept where what was shown is sent back.

Names tell what is secret: Airflow's own list, which ``[core] sensitive_var_conn_names`` makes longer. Its
masker also hides texts that it has met as secrets before; not here, for whoever chose the rest of a text
would learn by that what the passwords of others are.
"""

import re
from collections.abc import Iterator
from typing import Any

from airflow_platform_plugin import airflow_compat

MASK = "***"

_SPACES = re.compile(r"(\s+)")

Extra = dict[str, Any]


def mask(extra: Extra) -> Extra:
    """Extra as it may be shown."""
    return _mask_members(extra, airflow_compat.masking.secret_names())


def mask_text(text: str) -> str:
    """A host or another text as it may be shown: some are URIs, with a password in them."""
    if "://" not in text:
        return text
    return "".join(_mask_word(word) for word in _SPACES.split(text))


def is_secret(name: str) -> bool:
    """Whether what has that name is a secret."""
    return _is_secret(name, airflow_compat.masking.secret_names())


def masked_paths(shown: Any, path: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Where masks are in what is shown, or was sent: ``extra.headers.Authorization``."""
    return (".".join(found) for found in masked_at(shown, path))


def masked_at(shown: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:  # noqa: ANN401 - any JSON
    """The same, step by step."""
    match shown:
        case dict():
            for name, inner in shown.items():
                yield from masked_at(inner, (*path, name))
        case list():
            for index, inner in enumerate(shown):
                yield from masked_at(inner, (*path, str(index)))
        case str() if is_masked(shown):
            yield path


def secrets(plain: Any, shown: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """The texts that are hidden in ``shown``."""
    match plain:
        case dict():
            for name, inner in plain.items():
                yield from secrets(inner, shown[name])
        case list():
            for inner, inner_shown in zip(plain, shown, strict=True):
                yield from secrets(inner, inner_shown)
        case _ if plain != shown:
            yield str(plain)


def restore(given: Any, stored: Any, shown: Any) -> Any:  # noqa: ANN401 - any JSON
    """What was given, with what is stored in place of the masks that were shown for it; other masks stay.

    Whoever reads a connection and sends it back changed does not have to know its secrets.
    """
    match given:
        case str() if is_masked(given) and given == shown:
            return stored
        case dict():
            stored, shown = (part if isinstance(part, dict) else {} for part in (stored, shown))
            return {name: restore(inner, stored.get(name), shown.get(name)) for name, inner in given.items()}
        case list() if isinstance(stored, list) and isinstance(shown, list) and len(stored) == len(given):
            return [restore(*items) for items in zip(given, stored, shown, strict=True)]
        case _:
            return given


def without_masks(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """What is left where nothing is known of what is masked."""
    match value:
        case dict():
            return {name: without_masks(inner) for name, inner in value.items() if not is_masked(inner)}
        case list():
            return [without_masks(inner) for inner in value if not is_masked(inner)]
        case _:
            return None if is_masked(value) else value


def is_masked(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether the value is a mask, or a URI with one."""
    return isinstance(value, str) and (value == MASK or f"://{MASK}@" in value)


def _mask_word(word: str) -> str:
    """Hide who logs in, in https://user:password@host: to the last @, which not everybody escapes."""
    start, end = word.find("://") + 3, word.rfind("@")
    return f"{word[:start]}{MASK}{word[end:]}" if 2 < start < end else word  # noqa: PLR2004 - the separator


def _mask_members(extra: Extra, words: frozenset[str]) -> Extra:
    return {
        name: _mask_all(value) if _is_secret(name, words) else _mask_inner(value, words)
        for name, value in extra.items()
    }


def _mask_inner(value: Any, words: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case dict():
            return _mask_members(value, words)
        case list():
            return [_mask_inner(item, words) for item in value]
        case str():
            return mask_text(value)
        case _:
            return value


def _mask_all(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case None | "" | bool():  # nothing is set, or nothing is told by it
            return value
        case dict():
            return {name: _mask_all(inner) for name, inner in value.items()}
        case list():
            return [_mask_all(item) for item in value]
        case _:
            return MASK


def _is_secret(name: str, words: frozenset[str]) -> bool:
    # Headers have hyphens where Airflow's list has underscores: X-API-Key.
    plain = name.strip().lower().replace("-", "_")
    return any(word in plain for word in words)
