"""Connections over HTTP."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.connections import formats
from airflow_platform_plugin.fields import AnswerSchema, InputSchema, PageQuery, Timestamp, order_by

# What Airflow takes, but for slashes, which no path of an API can hold.
CONNECTION_ID = validate.Regexp(
    r"\A[A-Za-z0-9_#!().:-]{1,250}\Z",
    error="Must be 1 to 250 letters, digits and any of _ - . : # ! ( ).",
)
# No dot: SQLAlchemy takes sqlite.pysqlite for sqlite+pysqlite.
_TYPE = validate.Regexp(
    r"\A[A-Za-z0-9_+-]{1,500}\Z",
    error="Must be the name of a type of connection: letters, digits and any of _ + -.",
)
_COLUMN = validate.Length(max=500)
_TEXT = validate.Length(max=5000)
_PASSPHRASE = validate.Length(min=12, max=1000)
_MOST_MEMBERS = 1000
_DEEPEST = 16
_LONGEST_NAME = 250
# Words that stand in a path where names do.
RESERVED = ("export", "import", "test")


def _name(value: str) -> None:
    if value in {*RESERVED, ".", ".."}:
        raise ValidationError(f"Must not be {value!r}.")


def _bounded(extra: dict[str, Any]) -> None:
    """Hold extra to what every list can mask and show in no time; its length is held when it is stored."""
    members = _members(extra, 1)
    if members > _MOST_MEMBERS:
        raise ValidationError(f"Must have at most {_MOST_MEMBERS} fields and elements.")


def _members(value: Any, depth: int) -> int:  # noqa: ANN401 - any JSON
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if inner and depth > _DEEPEST:
        raise ValidationError(f"Must not be nested deeper than {_DEEPEST} levels.")
    names = value if isinstance(value, dict) else ()
    if any(len(name) > _LONGEST_NAME for name in names):
        raise ValidationError(f"Must have no name of more than {_LONGEST_NAME} characters.")
    return len(inner) + sum(_members(item, depth + 1) for item in inner)


class ConnectionChange(InputSchema):
    """What of a connection can be changed; extra is merged key by key, and null removes.

    Where an answer has ``***`` in place of a secret, the same in a change leaves the secret as it is.
    """

    connection_type = fields.String(validate=_TYPE)
    description = fields.String(allow_none=True, validate=_TEXT)
    host = fields.String(allow_none=True, validate=_COLUMN)
    port = fields.Integer(allow_none=True, strict=True, validate=validate.Range(min=0, max=65_535))
    schema = fields.String(allow_none=True, validate=_COLUMN)
    login = fields.String(allow_none=True, validate=_TEXT)
    password = fields.String(allow_none=True, validate=validate.Length(max=10_000), load_only=True)
    extra = fields.Dict(keys=fields.String(), allow_none=True, validate=_bounded)
    tenant_id = fields.String(allow_none=True)


class ConnectionInput(ConnectionChange):
    """A connection as it is made: of the tenant named, of the caller's own, or of all."""

    connection_id = fields.String(required=True, validate=[CONNECTION_ID, _name])
    connection_type = fields.String(required=True, validate=_TYPE)


class ConnectionTestInput(ConnectionInput):
    """A connection to be tested without being stored."""

    connection_id = fields.String(validate=CONNECTION_ID)


class TestQuery(InputSchema):
    """How long a test may take."""

    timeout_seconds = fields.Float(
        load_default=10.0, validate=validate.Range(min=0, max=60, min_inclusive=False)
    )


class ConnectionQuery(PageQuery):
    """Which connections are wanted."""

    connection_type = fields.String()
    tenant_id = fields.String()
    search = fields.String(validate=validate.Length(min=1, max=200))
    order_by = order_by("connection_id", "connection_type", "host")


class DeleteConnectionQuery(InputSchema):
    """Whether a connection goes that something still names."""

    force = fields.Boolean(load_default=False)


class TestAnswer(AnswerSchema):
    """What a test has shown."""

    status = fields.String(validate=validate.OneOf(["success", "failed", "unsupported"]))
    message = fields.String()
    latency_ms = fields.Integer(allow_none=True)


class LastTestAnswer(TestAnswer):
    """What the last test has shown, and when that was."""

    tested_at = Timestamp()


class ConnectionAnswer(AnswerSchema):
    """A connection without its secrets; ``secrets_set`` names those that are set.

    ``shared`` says whether every tenant may query it. One that was made in Airflow's pages is listed to all
    and shared with nobody, until a change with ``"tenant_id": null`` shares it.
    """

    connection_id = fields.String()
    connection_type = fields.String()
    description = fields.String(allow_none=True)
    host = fields.String(allow_none=True)
    port = fields.Integer(allow_none=True)
    schema = fields.String(allow_none=True)
    login = fields.String(allow_none=True)
    extra = fields.Dict()
    secrets_set = fields.List(fields.String())
    tenant_id = fields.String(allow_none=True)
    shared = fields.Boolean(attribute="is_shared")
    created_at = Timestamp(allow_none=True)
    created_by = fields.String(allow_none=True)
    updated_at = Timestamp(allow_none=True)
    last_test = fields.Nested(LastTestAnswer, allow_none=True)


class ConnectionList(AnswerSchema):
    """A page of connections."""

    connections = fields.List(fields.Nested(ConnectionAnswer), attribute="items")
    total_entries = fields.Integer()


class UsageAnswer(AnswerSchema):
    """What names a connection, of what the caller may read."""

    connection_id = fields.String()
    used_by = fields.Dict(keys=fields.String(), values=fields.List(fields.Dict()))


class ExportQuery(InputSchema):
    """The export's format, and that it is without secrets."""

    format = fields.String(load_default="json", validate=validate.OneOf(["json", "yaml"]))
    secrets = fields.String(
        validate=validate.Equal("masked", error="POST exports them, encrypted with a passphrase in the body.")
    )


class SealedExportQuery(InputSchema):
    """That the secrets are encrypted; there is no other way."""

    secrets = fields.String(validate=validate.Equal("encrypted"))


class SealedExportInput(InputSchema):
    """What the secrets are encrypted with."""

    passphrase = fields.String(required=True, validate=_PASSPHRASE, load_only=True)


class ImportInput(InputSchema):
    """A file with connections, of ours or of ``airflow connections export``, or its content as an object."""

    content = fields.String()
    format = fields.String(load_default="json", validate=validate.OneOf(formats.FORMATS))
    connections = fields.Dict(keys=fields.String())
    passphrase = fields.String(validate=_PASSPHRASE, load_only=True)
    tenant_id = fields.String(allow_none=True)
    on_conflict = fields.String(load_default="skip", validate=validate.OneOf(["fail", "skip", "overwrite"]))
    dry_run = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class ImportedAnswer(AnswerSchema):
    """What has become of one connection of an import, or would."""

    connection_id = fields.String()
    result = fields.String(validate=validate.OneOf(["created", "overwritten", "skipped", "failed"]))
    message = fields.String(allow_none=True)
    missing_secrets = fields.List(fields.String())


class ImportAnswer(AnswerSchema):
    """What an import has done, or would do."""

    dry_run = fields.Boolean()
    connections = fields.List(fields.Nested(ImportedAnswer))
