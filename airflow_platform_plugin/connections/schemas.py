"""Connections over HTTP."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.http.fields import (
    LONGEST_ID,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_SEARCH,
    Choice,
    Flag,
    JsonObject,
    Line,
    Number,
    Text,
    Whole,
)
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    QuerySchema,
    ResponseSchema,
    Timestamp,
    order_by,
)

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
_LONGEST_COLUMN, _LONGEST_TEXT = 500, 5000
# Of an import: as much as a body may have by default.
_LONGEST_FILE = 1_000_000
MOST_IMPORTED = 1000
_MOST_MEMBERS = 1000
_DEEPEST = 16
# Words that stand in a path where names do.
RESERVED = ("export", "import", "test")


def _passphrase(**options: Any) -> Text:  # noqa: ANN401 - marshmallow's
    return Text(least=12, most=1000, **options)


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
    if any(len(name) > LONGEST_NAME for name in names):
        raise ValidationError(f"Must have no name of more than {LONGEST_NAME} characters.")
    return len(inner) + sum(_members(item, depth + 1) for item in inner)


class ConnectionChange(InputSchema):
    """What of a connection can be changed; extra is merged key by key, and null removes.

    Where an answer has ``***`` in place of a secret, the same in a change leaves the secret as it is.
    """

    connection_type = Line(most=_LONGEST_COLUMN, validate=_TYPE)
    description = Text(most=_LONGEST_TEXT, allow_none=True)
    host = Line(most=_LONGEST_COLUMN, allow_none=True)
    port = Whole(least=0, most=65_535, allow_none=True)
    schema = Line(most=_LONGEST_COLUMN, allow_none=True)
    login = Text(most=_LONGEST_TEXT, allow_none=True)
    password = Text(most=10_000, allow_none=True, load_only=True)
    extra = JsonObject(most_bytes=crypto.LONGEST, allow_none=True, validate=_bounded)
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)


class ConnectionInput(ConnectionChange):
    """A connection as it is made: of the tenant named, of the caller's own, or of all."""

    connection_id = Line(most=LONGEST_ID, required=True, validate=[CONNECTION_ID, _name])
    connection_type = Line(most=_LONGEST_COLUMN, required=True, validate=_TYPE)


class ConnectionTestInput(ConnectionInput):
    """A connection to be tested without being stored."""

    connection_id = Line(most=LONGEST_ID, validate=CONNECTION_ID)


class TestQuery(QuerySchema):
    """How long a test may take."""

    timeout_seconds = Number(least=0.001, most=60, load_default=10.0)


class ConnectionQuery(PageQuery):
    """Which connections are wanted."""

    into = None

    connection_type = Line(most=_LONGEST_COLUMN)
    tenant_id = Line(most=LONGEST_LABEL)
    search = Text(least=1, most=LONGEST_SEARCH)
    order_by = order_by("connection_id", "connection_type", "host")


class DeleteConnectionQuery(QuerySchema):
    """Whether a connection goes that something still names."""

    force = Flag(load_default=False)


class TestResponse(ResponseSchema):
    """What a test has shown."""

    status = fields.String(validate=validate.OneOf(["success", "failed", "unsupported"]))
    message = fields.String()
    latency_ms = fields.Integer(allow_none=True)


class LastTestResponse(TestResponse):
    """What the last test has shown, and when that was."""

    tested_at = Timestamp()


class ConnectionResponse(ResponseSchema):
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
    last_test = fields.Nested(LastTestResponse, allow_none=True)


class ConnectionList(ResponseSchema):
    """A page of connections."""

    connections = fields.List(fields.Nested(ConnectionResponse), attribute="items")
    total_entries = fields.Integer()


class UsageResponse(ResponseSchema):
    """What names a connection, of what the caller may read."""

    connection_id = fields.String()
    used_by = fields.Dict(keys=fields.String(), values=fields.List(fields.Dict()))


class ExportQuery(QuerySchema):
    """The export's format, and that it is without secrets."""

    format = Choice(["json", "yaml"], load_default="json")
    secrets = Choice(["masked"], error="POST exports them, encrypted with a passphrase in the body.")


class SealedExportQuery(QuerySchema):
    """That the secrets are encrypted; there is no other way."""

    secrets = Choice(["encrypted"])


class SealedExportInput(InputSchema):
    """What the secrets are encrypted with."""

    passphrase = _passphrase(required=True, load_only=True)


class ImportInput(InputSchema):
    """A file with connections, of ours or of ``airflow connections export``, or its content as an object."""

    content = Text(most=_LONGEST_FILE)
    format = Choice(formats.FORMATS, load_default="json")
    connections = JsonObject(most=MOST_IMPORTED, most_bytes=_LONGEST_FILE)
    passphrase = _passphrase(load_only=True)
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)
    on_conflict = Choice(["fail", "skip", "overwrite"], load_default="skip")
    dry_run = Flag(load_default=False)


class ImportedResponse(ResponseSchema):
    """What has become of one connection of an import, or would."""

    connection_id = fields.String()
    result = fields.String(validate=validate.OneOf(["created", "overwritten", "skipped", "failed"]))
    message = fields.String(allow_none=True)
    missing_secrets = fields.List(fields.String())


class ImportResponse(ResponseSchema):
    """What an import has done, or would do."""

    dry_run = fields.Boolean()
    connections = fields.List(fields.Nested(ImportedResponse))
