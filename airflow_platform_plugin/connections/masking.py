"""Mask the secrets of a connection, find masks, and put the stored secrets back.

Names decide what is a secret: Airflow's own list, which ``[core] sensitive_var_conn_names`` extends.
Airflow's masker also hides texts that it has seen as secrets before. This module does not: a caller who
chooses the rest of a text could learn other callers' passwords by it.
"""

import re
from collections.abc import Iterator

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.connections.inputs import Extra, FieldPath
from airflow_platform_plugin.core.types import Json

MASK = "***"

_SPACES = re.compile(r"(\s+)")
_SEPARATOR = "://"


def mask_extra(extra: Extra) -> Extra:
    """Return extra with masks for its secrets."""
    return _mask_members(extra, airflow_compat.masking.secret_names())


def mask_text(text: str) -> str:
    """Return a host or another text with a mask for the login and the password of each URI in it."""
    if _SEPARATOR not in text:
        return text
    return "".join(_mask_word(word) for word in _SPACES.split(text))


def is_secret_name(name: str) -> bool:
    """Return whether a field of that name holds a secret."""
    return _is_secret(name, airflow_compat.masking.secret_names())


def is_masked(value: Json) -> bool:
    """Return whether a value is a mask, or a URI with one."""
    return isinstance(value, str) and (value == MASK or f"{_SEPARATOR}{MASK}@" in value)


def find_masks(value: Json, path: FieldPath) -> Iterator[FieldPath]:
    """Find the masks in a value at that path: ``("extra", "headers", "Authorization")``."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from find_masks(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from find_masks(inner, (*path, str(index)))
        case str() if is_masked(value):
            yield path


def find_hidden_texts(plain: Json, masked: Json) -> Iterator[str]:
    """Find the texts of ``plain`` that are hidden in ``masked``."""
    match plain:
        case dict():
            for name, inner in plain.items():
                yield from find_hidden_texts(inner, masked[name])
        case list():
            for inner, inner_masked in zip(plain, masked, strict=True):
                yield from find_hidden_texts(inner, inner_masked)
        case _ if plain != masked:
            yield str(plain)


def restore(given: Json, stored: Json, shown: Json) -> Json:
    """Return what a caller sent, with the stored values in place of masks that were shown; other masks stay.

    So a caller can read a connection, change it and send it back without knowing its secrets.

    Args:
        given: what the caller sent.
        stored: what is stored in the same place.
        shown: what responses show there.
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


def remove_masks(value: Json) -> Json:
    """Return a value without the members that are masked; None if all of it is masked."""
    match value:
        case dict():
            return {name: remove_masks(inner) for name, inner in value.items() if not is_masked(inner)}
        case list():
            return [remove_masks(inner) for inner in value if not is_masked(inner)]
        case _:
            return None if is_masked(value) else value


def _mask_word(word: str) -> str:
    """Mask the login in https://user:password@host, up to the last @: passwords may have an unescaped one."""
    scheme, separator, rest = word.partition(_SEPARATOR)
    login, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{MASK}{at}{host}" if login else word


def _mask_members(extra: Extra, words: frozenset[str]) -> Extra:
    return {
        name: _mask_all(value) if _is_secret(name, words) else _mask_inner(value, words)
        for name, value in extra.items()
    }


def _mask_inner(value: Json, words: frozenset[str]) -> Json:
    match value:
        case dict():
            return _mask_members(value, words)
        case list():
            return [_mask_inner(item, words) for item in value]
        case str():
            return mask_text(value)
        case _:
            return value


def _mask_all(value: Json) -> Json:
    match value:
        case None | "" | bool():  # nothing is set, or the value reveals nothing
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
