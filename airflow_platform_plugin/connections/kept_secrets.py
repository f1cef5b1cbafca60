"""Secrets that a change of a connection keeps.

Responses show ``***`` for a secret, and a change that sends it back keeps the stored one. But a caller with
the right to write connections need not know their secrets. It could lead a connection to its own host and
read them there. So a change of the target must send the secrets again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from airflow_platform_plugin.connections import masking
from airflow_platform_plugin.connections.authorization import EXPORT
from airflow_platform_plugin.connections.inputs import ConnectionChanges, ConnectionFields, FieldPath
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.connections.tenant_rules import connection_types, host_fields
from airflow_platform_plugin.core.errors import FieldError, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json

_TARGETS = ("connection_type", "host", "port", "schema", "login")
_MASKABLE = ("host", "password", "extra")
_MOST_NAMED = 10
_MISSING = object()

FieldsT = TypeVar("FieldsT", bound=ConnectionFields)


def restore_masked(record: ConnectionRecord, changes: ConnectionChanges) -> ConnectionChanges:
    """Return the changes with the stored secrets in place of the masks that responses show for them."""
    stored = record.stored
    shown = {"extra": record.extra, "password": masking.MASK, "host": record.host}
    restored = {
        name: masking.restore(value, getattr(stored, name), shown[name]) if name in shown else value
        for name, value in changes.items()
    }
    return cast("ConnectionChanges", restored)


def find_masked_fields(fields: ConnectionFields | ConnectionChanges) -> list[FieldPath]:
    """Return the fields that are still masked: ``("password",)``, ``("extra", "token")``."""
    given = fields if isinstance(fields, Mapping) else vars(fields)
    return [path for name in _MASKABLE for path in masking.find_masks(given.get(name), (name,))]


def require_no_masks(fields: ConnectionFields | ConnectionChanges) -> None:
    """Refuse masks for which no secret is stored.

    Raises:
        ValidationFailed: there is such a mask.
    """
    if masked := find_masked_fields(fields):
        raise ValidationFailed([FieldError.at(path, "is masked; give the value") for path in masked])


def remove_masks(fields: FieldsT) -> FieldsT:
    """Return the fields without those that are masked."""
    return replace(fields, **{name: masking.remove_masks(getattr(fields, name)) for name in _MASKABLE})


def require_secrets_again(
    record: ConnectionRecord,
    given: Mapping[str, Json],
    after: ConnectionFields,
    tenant_id: str | None,
    by: Principal,
) -> None:
    """Refuse a change that keeps secrets and leads the connection elsewhere, or gives it to another tenant.

    Args:
        record: the connection.
        given: the change as the caller sent it, with masks.
        after: all fields as they will be stored.
        tenant_id: the tenant that will own the connection, or None.
        by: the caller. With the right to export the connection's secrets, it may give them to a tenant.

    Raises:
        ValidationFailed: secrets must be sent again; each is named.
    """
    changed = find_target_changes(record.stored, after)
    if tenant_id not in {None, record.tenant_id} and not by.may(EXPORT, record.tenant_id):
        changed.append("tenant_id")  # the new tenant's administrators can export the secrets
    if not changed:
        return
    paths = find_kept_secrets(given, after)
    if record.hides_extra and "extra" not in given:
        paths.append(("extra",))
    message = (
        "must be given again (or removed, with null), because this changes "
        f"{', '.join(changed[:_MOST_NAMED])}"
    )
    if paths:
        raise ValidationFailed([FieldError.at(path, message) for path in paths])


def find_target_changes(before: ConnectionFields, after: ConnectionFields) -> list[str]:
    """Return the changed fields that decide where a connection leads or what it does: ``extra.url``."""
    plain = [name for name in _TARGETS if getattr(before, name) != getattr(after, name)]
    changed = _find_changes(before.extra or {}, after.extra or {}, ())
    return plain + [".".join(("extra", *path)) for path, value in changed if not _is_harmless(path, value)]


def find_kept_secrets(given: Mapping[str, Json], after: ConnectionFields) -> list[FieldPath]:
    """Return the secrets that a connection will have after a change, and that the change does not contain.

    Args:
        given: the change as the caller sent it, with masks for secrets to keep.
        after: all fields as they will be stored.
    """
    found: list[FieldPath] = [("password",)] if after.password else []
    shown = {"host": masking.mask_text(after.host or ""), "extra": masking.mask_extra(after.extra or {})}
    found += masking.find_masks(shown, ())
    return [path for path in found if not _is_given(given, path)]


def _is_given(given: Json, path: FieldPath) -> bool:
    for step in path:
        if isinstance(given, list) and step.isdecimal() and int(step) < len(given):
            given = given[int(step)]
        elif isinstance(given, Mapping) and step in given:
            given = given[step]
        else:
            return False
    return not masking.is_masked(given)


def _find_changes(before: Json, after: Json, path: FieldPath) -> Iterator[tuple[FieldPath, Json]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _find_changes(before.get(name, _MISSING), after.get(name, _MISSING), (*path, name))
    elif before is not after and (type(before) is not type(after) or before != after):
        yield path, after


def _is_harmless(path: FieldPath, value: Json) -> bool:
    """Return whether a change in extra keeps the target: of a harmless field, or of a secret itself."""
    name = path[-1]
    if len(path) == 1 or path[:-1] == ("headers",):
        if connection_types.is_harmless(name):
            return True
        text = "" if value is _MISSING else value
        is_secret = masking.is_secret_name(name) and isinstance(text, str)
        return is_secret and not host_fields.may_name_host(name, text)
    return False
