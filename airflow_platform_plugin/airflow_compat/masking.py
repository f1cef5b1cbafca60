"""Airflow's secrets masker, which hides secrets in logs and in values that are shown."""

from typing import Any, TypeVar

_Redactable = TypeVar("_Redactable", dict[str, Any], str)


def redact(value: _Redactable) -> _Redactable:
    """Return the value with stars in place of secrets: known ones, and fields with a secret's name."""
    from airflow.utils.log.secrets_masker import redact as airflow_redact

    redacted: _Redactable = airflow_redact(value)
    return redacted


def mask_secrets(values: list[str] | dict[str, Any]) -> None:
    """Hide each text of a list, or an object's fields with secret names, in all logs of this process."""
    from airflow.utils.log.secrets_masker import mask_secret

    mask_secret(values)


def secret_names() -> frozenset[str]:
    """Return the words that mark a field's name as secret: Airflow's own and the operator's."""
    from airflow.utils.log.secrets_masker import get_sensitive_variables_fields

    return frozenset(get_sensitive_variables_fields())
