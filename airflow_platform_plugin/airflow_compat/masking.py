"""Airflow's secrets masker."""

from typing import Any, TypeVar

_Redactable = TypeVar("_Redactable", dict[str, Any], str)


def redact(value: _Redactable) -> _Redactable:
    """The same, with what Airflow takes for secret by its name, or knows to be, made unreadable."""
    from airflow.utils.log.secrets_masker import redact as airflow_redact

    redacted: _Redactable = airflow_redact(value)
    return redacted


def mask_secrets(values: Any) -> None:  # noqa: ANN401 - any JSON
    """Let no log of this process show the values: texts of a list, and of objects what is named a secret."""
    from airflow.utils.log.secrets_masker import mask_secret

    mask_secret(values)


def secret_names() -> frozenset[str]:
    """The words in a field's name that tell that its value is secret; Airflow's own and the operator's."""
    from airflow.utils.log.secrets_masker import get_sensitive_variables_fields

    return frozenset(get_sensitive_variables_fields())
