"""A deployment's configuration: checked against the manifest, its secrets apart from the rest. Pure."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.core.errors import FieldError, ValidationFailed
from airflow_platform_plugin.datakits.manifest import IDENTIFIER_PATTERN, Manifest

# In the place of a secret's value, in each answer. Given as a value it means: as it was.
MASK = "***"
_PLAIN = "is no secret in this version: give the value itself"


@dataclass(frozen=True)
class Kept:
    """What a deployment's configuration is so far.

    Attributes:
        values: those that were given, secrets included; not those that are the manifest's defaults.
        secret: the names of those that are secret.
    """

    values: dict[str, Any] = field(default_factory=dict)
    secret: frozenset[str] = frozenset()


class Merged(NamedTuple):
    """What is given from now on, and what was given before and does not stay, in sentences."""

    values: dict[str, Any]
    warnings: list[str]


def merge(manifest: Manifest, given: dict[str, Any] | None, kept: Kept, *, replace: bool = False) -> Merged:
    """What is given over what was given before (RFC 7396: null removes), as far as the manifest takes it.

    Args:
        manifest: of the version that is to run, maybe another one than before.
        given: what the request says; None removes all.
        kept: what there was before.
        replace: whether nothing of that stays but what is given as ``***``.

    Raises:
        ValidationFailed: a value does not fit that was given before, or is to stay and is not there.
    """
    names = [] if given is None or replace else [name for name in kept.values if name not in given]
    values, warnings, errors = {}, [], []
    for name in names:
        if (why := _dropped(manifest, name, kept)) is not None:
            warnings.append(f"configuration.{name} is dropped: {why}")
            continue
        values[name] = kept.values[name]
        option = manifest.configuration.get(name)
        if option is not None and (violation := option.violation(values[name])):
            told = f"is kept from before and {violation}: give another value, or null for the default"
            errors.append(FieldError.at(("configuration", name), told))
    for name, value in (given or {}).items():
        if value is None and _is_known(manifest, name, kept):
            continue
        values[name] = value
        if value == MASK and (name in kept.secret or is_secret(manifest, name)):
            values[name] = kept.values.get(name)
            if not is_secret(manifest, name):
                errors.append(FieldError.at(("configuration", name), _PLAIN))
            elif name not in kept.secret:
                errors.append(FieldError.at(("configuration", name), "there is no value yet that could stay"))
    if errors:
        raise ValidationFailed(errors)
    return Merged(values, warnings)


def _dropped(manifest: Manifest, name: str, kept: Kept) -> str | None:
    """Why a value that was given before cannot stay with this version; None where it can."""
    if manifest.configuration and name not in manifest.configuration:
        return f"{manifest.version} has no such option"
    if name in kept.secret and not is_secret(manifest, name):
        return f"it was secret, and {manifest.version} would show it"
    return None


def is_secret(manifest: Manifest, name: str) -> bool:
    """Whether the manifest has an option of that name whose values are secret."""
    return name in manifest.configuration and manifest.configuration[name].secret


def _is_known(manifest: Manifest, name: str, kept: Kept) -> bool:
    return not manifest.configuration or name in manifest.configuration or name in kept.values


def resolve(manifest: Manifest, given: dict[str, Any]) -> dict[str, Any]:
    """The configuration a run gets, secrets included: what is given over the manifest's defaults.

    A manifest without options says nothing of its kit's configuration, so such a kit gets what is given.

    Args:
        manifest: whose options these are.
        given: the values of some.

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
        if violation := option.violation(value):
            errors.append(FieldError.at(("configuration", name), violation))
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


def encrypt_secrets(secrets: dict[str, Any]) -> str | None:
    """Secrets as they are stored; None where there are none."""
    return crypto.encrypt(json.dumps(secrets)) if secrets else None


def decrypt_secrets(token: str | None) -> dict[str, Any]:
    """What ``seal`` was given."""
    secrets: dict[str, Any] = json.loads(crypto.decrypt(token)) if token else {}
    return secrets
