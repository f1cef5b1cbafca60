"""A deployment's configuration: checked against the manifest, its secrets apart from the rest. Pure."""

import json
import re
from typing import Any

from airflow_platform_plugin import crypto
from airflow_platform_plugin.datakits.manifest import IDENTIFIER_PATTERN, Manifest
from airflow_platform_plugin.errors import FieldError, ValidationFailed

# In the place of a secret's value, in each answer. Given as a value it means: as it was.
MASK = "***"


def configure(
    manifest: Manifest, given: dict[str, Any], kept_secrets: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The configuration a run gets, secrets included: what is given over the manifest's defaults.

    A manifest without options says nothing of its kit's configuration, so such a kit gets what is given.

    Args:
        manifest: whose options these are.
        given: the values of some.
        kept_secrets: the secrets in force, for those that are given as ``***``.

    Raises:
        ValidationFailed: a name is unknown or none at all, a value does not fit its option, or a required one
            is missing.
    """
    if not manifest.configuration:
        return _undeclared(given)
    errors = []
    values = {name: option.default for name, option in manifest.configuration.items()}
    for name, value in given.items():
        option = manifest.configuration.get(name)
        if option is None:
            known = ", ".join(sorted(manifest.configuration))
            errors.append(FieldError.at(("configuration", name), f"unknown; the manifest has: {known}"))
            continue
        values[name] = value
        if option.secret and value == MASK:
            if name not in (kept_secrets or {}):
                errors.append(FieldError.at(("configuration", name), "there is no value yet that could stay"))
                continue
            values[name] = (kept_secrets or {})[name]
        if complaint := option.complaint(values[name]):
            errors.append(FieldError.at(("configuration", name), complaint))
    for name, option in manifest.configuration.items():
        if option.required and values[name] is None and name not in given:
            errors.append(FieldError.at(("configuration", name), "is required"))
    if errors:
        raise ValidationFailed(errors)
    return values


def _undeclared(given: dict[str, Any]) -> dict[str, Any]:
    """What is given, if its names could be those of options."""
    errors = [
        FieldError.at(
            ("configuration", name), "must begin with a letter or _, and hold letters, digits and _"
        )
        for name in given
        if not re.fullmatch(IDENTIFIER_PATTERN, name)
    ]
    if errors:
        raise ValidationFailed(errors)
    return dict(given)


def split(manifest: Manifest, configuration: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values that anybody may see, and the secrets that are set."""
    secret = {name for name, option in manifest.configuration.items() if option.secret}
    plain = {name: value for name, value in configuration.items() if name not in secret}
    secrets = {name: configuration[name] for name in secret if configuration.get(name) is not None}
    return plain, secrets


def seal(secrets: dict[str, Any]) -> str | None:
    """Secrets as they are stored; None where there are none."""
    return crypto.encrypt(json.dumps(secrets)) if secrets else None


def unseal(token: str | None) -> dict[str, Any]:
    """What ``seal`` was given."""
    secrets: dict[str, Any] = json.loads(crypto.decrypt(token)) if token else {}
    return secrets
