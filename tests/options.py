"""Options of the section ``[platform]`` for a test."""

from typing import Any

import pytest

from airflow_platform_plugin.core import settings


def set_options(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Set options as an operator does, by environment variables, until the test ends."""
    for name, value in options.items():
        variable = f"AIRFLOW__PLATFORM__{name.upper()}"
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, str(value))
    # Without the cache, which would outlive the test.
    monkeypatch.setattr(settings, "_read", getattr(settings._read, "__wrapped__", settings._read))


def defaults() -> dict[str, Any]:
    """The default of every option."""
    return {name: field.default for group in settings.groups() for name, field in group.model_fields.items()}
