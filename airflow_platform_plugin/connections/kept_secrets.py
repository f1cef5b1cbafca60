"""Secrets that a change of a connection keeps while it changes where they go. Pure.

The right to write connections is not the right to know their secrets: a caller who leads a connection to a
host of its own would read them there. So with the target, the secrets have to be given again.
"""

from collections.abc import Iterator
from typing import Any

from airflow_platform_plugin.connections import connection_types, host_fields, masking
from airflow_platform_plugin.connections.connection_types import Path

_TARGETS = ("connection_type", "host", "port", "schema", "login")
_MISSING = object()


def moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The fields that change where a connection leads, or what happens there: ``host``, ``extra.url``."""
    plain = [name for name in _TARGETS if before.get(name) != after.get(name)]
    changed = _changes(before.get("extra") or {}, after.get("extra") or {}, ())
    return plain + [".".join(("extra", *path)) for path, value in changed if not _is_harmless(path, value)]


def secrets(given: dict[str, Any], after: dict[str, Any]) -> list[Path]:
    """The secrets that a connection would have after a change and that the change did not bring.

    Args:
        given: the change as the caller sent it, with masks for what is to stay.
        after: all fields as they would be stored.
    """
    found: list[Path] = [("password",)] if after.get("password") else []
    shown = {
        "host": masking.mask_text(after.get("host") or ""),
        "extra": masking.mask(after.get("extra") or {}),
    }
    found += masking.masked_at(shown, ())
    return [path for path in found if not _is_given(given, path)]


def _is_given(given: Any, path: Path) -> bool:  # noqa: ANN401 - any JSON
    for step in path:
        if isinstance(given, list) and step.isdecimal() and int(step) < len(given):
            given = given[int(step)]
        elif isinstance(given, dict) and step in given:
            given = given[step]
        else:
            return False
    return not masking.is_masked(given)


def _changes(before: Any, after: Any, path: Path) -> Iterator[tuple[Path, Any]]:  # noqa: ANN401 - any JSON
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(name, _MISSING), after.get(name, _MISSING), (*path, name))
    elif before is not after and (type(before) is not type(after) or before != after):
        yield path, after


def _is_harmless(path: Path, value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a change leaves the target: of a field that is known not to matter, or of a secret itself."""
    name = path[-1]
    if len(path) == 1 or path[:-1] == ("headers",):
        if connection_types.is_harmless(name):
            return True
        text = "" if value is _MISSING else value
        return masking.is_secret(name) and isinstance(text, str) and not host_fields.may_name_host(name, text)
    return False
