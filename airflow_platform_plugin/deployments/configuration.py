"""The configuration of a deployment: merge, validate, and separate its secrets. Pure.

The values that a deploy has set are stored from revision to revision; all other options follow the defaults
of the manifest in force.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.core.errors import FieldError, ValidationFailed
from airflow_platform_plugin.datakits.manifest import IDENTIFIER_PATTERN, Manifest

# Values of options by name.
Values = dict[str, Any]

# Responses show this instead of a secret. Sent as a value, it keeps the stored secret.
MASK = "***"


@dataclass(frozen=True)
class StoredValues:
    """The values that earlier deploys have set, without defaults of the manifest.

    Attributes:
        values: the values by name, also those of secrets.
        secret: the names of secret options.
    """

    values: Values = field(default_factory=dict)
    secret: frozenset[str] = frozenset()


class Merged(NamedTuple):
    """The values that are set from now on, and a sentence for each stored value that is dropped."""

    values: Values
    warnings: list[str]


class Configuration(NamedTuple):
    """The complete configuration of a deployment: plain values, and the secrets that are set."""

    plain: Values
    secrets: Values


def merge(manifest: Manifest, given: Values | None, stored: StoredValues, *, replace: bool = False) -> Merged:
    """Merge the values of a request into the stored ones (RFC 7396: null removes a value).

    Args:
        manifest: of the version to deploy, which may differ from the version before.
        given: the values of the request; None removes all.
        stored: the values from earlier deploys.
        replace: drop stored values that the request does not keep with ``***``.

    Raises:
        ValidationFailed: a stored value is not valid for this version, or there is no secret to keep.
    """
    kept, warnings, errors = {}, [], []
    names = [] if given is None or replace else [name for name in stored.values if name not in given]
    for name in names:
        if (reason := _reason_to_drop(manifest, name, stored)) is not None:
            warnings.append(f"configuration.{name} is dropped: {reason}")
            continue
        kept[name] = stored.values[name]
        option = manifest.configuration.get(name)
        if option is not None and (violation := option.violation(kept[name])):
            message = f"is kept from before and {violation}: give another value, or null for the default"
            errors.append(FieldError.at(("configuration", name), message))
    for name, value in (given or {}).items():
        if value is None and _is_known(manifest, name, stored):
            continue
        kept[name] = value
        if value == MASK and (name in stored.secret or is_secret(manifest, name)):
            kept[name] = stored.values.get(name)
            if (obstacle := _reason_not_to_keep(manifest, name, stored)) is not None:
                errors.append(FieldError.at(("configuration", name), obstacle))
    if errors:
        raise ValidationFailed(errors)
    return Merged(kept, warnings)


def _reason_to_drop(manifest: Manifest, name: str, stored: StoredValues) -> str | None:
    """Return why this version cannot keep a stored value; None if it can."""
    if manifest.configuration and name not in manifest.configuration:
        return f"{manifest.version} has no such option"
    if name in stored.secret and not is_secret(manifest, name):
        return f"it was secret, and {manifest.version} would show it"
    return None


def _reason_not_to_keep(manifest: Manifest, name: str, stored: StoredValues) -> str | None:
    """Return why ``***`` cannot keep a value; None if it can."""
    if not is_secret(manifest, name):
        return "is not a secret in this version: send the value itself"
    return None if name in stored.secret else "no stored value to keep; send the value"


def is_secret(manifest: Manifest, name: str) -> bool:
    """Return whether the manifest has a secret option of that name."""
    return name in manifest.configuration and manifest.configuration[name].secret


def _is_known(manifest: Manifest, name: str, stored: StoredValues) -> bool:
    return not manifest.configuration or name in manifest.configuration or name in stored.values


def resolve(manifest: Manifest, values: Values) -> Configuration:
    """Validate the values and add the manifest's defaults.

    A manifest without options declares nothing about its kit's configuration, so the kit gets any values.

    Args:
        manifest: of the version to deploy.
        values: the values that are set.

    Raises:
        ValidationFailed: a name is unknown or not an identifier, a value is not valid for its option, or a
            required option has no value.
    """
    if not manifest.configuration:
        _require_identifiers(values)
        return Configuration(dict(values), {})
    complete = {name: option.default for name, option in manifest.configuration.items()} | values
    if errors := [*_value_errors(manifest, values), *_missing_errors(manifest, values)]:
        raise ValidationFailed(errors)
    plain = {name: value for name, value in complete.items() if not is_secret(manifest, name)}
    secrets = {name: value for name, value in complete.items() if name not in plain and value is not None}
    return Configuration(plain, secrets)


def _value_errors(manifest: Manifest, values: Values) -> list[FieldError]:
    errors = []
    for name, value in values.items():
        option = manifest.configuration.get(name)
        if option is None:
            known = ", ".join(sorted(manifest.configuration))
            message: str | None = f"is not an option of this version; its options are: {known}"
        else:
            message = option.violation(value)
        if message is not None:
            errors.append(FieldError.at(("configuration", name), message))
    return errors


def _missing_errors(manifest: Manifest, values: Values) -> list[FieldError]:
    return [
        FieldError.at(("configuration", name), "is required")
        for name, option in manifest.configuration.items()
        if option.required and option.default is None and name not in values
    ]


def _require_identifiers(values: Values) -> None:
    errors = [
        FieldError.at(
            ("configuration", name), "must begin with a letter or _, and contain letters, digits and _ only"
        )
        for name in values
        if not re.fullmatch(IDENTIFIER_PATTERN, name)
    ]
    if errors:
        raise ValidationFailed(errors)


def encrypt_secrets(secrets: Values) -> str | None:
    """Return secrets as they are stored; None if there are no secrets."""
    return crypto.encrypt(json.dumps(secrets)) if secrets else None


def decrypt_secrets(token: str | None) -> Values:
    """Return the secrets that ``encrypt_secrets`` has encrypted."""
    secrets: Values = json.loads(crypto.decrypt(token)) if token else {}
    return secrets
