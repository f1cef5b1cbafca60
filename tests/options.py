"""Set options of the section ``[platform]`` in a test."""

from typing import Any

import pytest

# A conftest.py imports this module before Airflow is configured, so the plugin is imported when it is needed.


def set_options(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Set options as an operator does, by environment variables, until the test ends."""
    from airflow_platform_plugin.core import settings

    for name, value in options.items():
        variable = f"AIRFLOW__PLATFORM__{name.upper()}"
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, str(value))
    # Without the cache, which would outlive the test.
    monkeypatch.setattr(settings, "_read", getattr(settings._read, "__wrapped__", settings._read))


def defaults() -> dict[str, Any]:
    """Return the default of every option."""
    from airflow_platform_plugin.core import settings

    return {name: field.default for group in settings.groups() for name, field in group.model_fields.items()}
