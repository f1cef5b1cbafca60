"""Schemas of connections over HTTP."""

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.connections.inputs import (
    ConnectionFilter,
    Extra,
    ImportRequest,
    NewConnection,
    UnsavedConnection,
)
from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.core import crypto
from airflow_platform_plugin.core.types import Json, Option
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

# What Airflow takes, except slashes, which paths of the API cannot have.
CONNECTION_ID = validate.Regexp(
    r"\A[A-Za-z0-9_#!().:-]{1,250}\Z",
    error="Must be 1 to 250 letters, digits and any of _ - . : # ! ( ).",
)
# No dot, because SQLAlchemy reads sqlite.pysqlite as sqlite+pysqlite.
_TYPE = validate.Regexp(
    r"\A[A-Za-z0-9_+-]{1,500}\Z",
    error="Must be the name of a type of connection: letters, digits and any of _ + -.",
)
_LONGEST_COLUMN, _LONGEST_TEXT = 500, 5000
# Of an import: the default limit of a body.
_LONGEST_FILE = 1_000_000
MOST_IMPORTED = 1000
_MOST_MEMBERS = 1000
_DEEPEST = 16
# Words of paths, in the place of a connection's name.
RESERVED = ("export", "import", "test")


def _passphrase(**options: Option) -> Text:
    return Text(least=12, most=1000, **options)


def _require_unreserved(value: str) -> None:
    if value in {*RESERVED, ".", ".."}:
        raise ValidationError(f"Must not be {value!r}, which is reserved for paths of the API.")


def _require_bounds(extra: Extra) -> None:
    """Refuse extra that takes long to mask in lists. Its length is checked when it is stored."""
    if _count_members(extra, 1) > _MOST_MEMBERS:
        raise ValidationError(f"Must have at most {_MOST_MEMBERS} fields and elements.")


def _count_members(value: Json, depth: int) -> int:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if inner and depth > _DEEPEST:
        raise ValidationError(f"Must not be nested deeper than {_DEEPEST} levels.")
    names = value if isinstance(value, dict) else ()
    if any(len(name) > LONGEST_NAME for name in names):
        raise ValidationError(f"Must have no name of more than {LONGEST_NAME} characters.")
    return len(inner) + sum(_count_members(item, depth + 1) for item in inner)


class ConnectionChange(InputSchema):
    """Fields of a connection to change. Extra is merged key by key; null removes a key.

    Responses have ``***`` in place of a secret. A change with ``***`` keeps the secret.
    """

    connection_type = Line(most=_LONGEST_COLUMN, validate=_TYPE)
    description = Text(most=_LONGEST_TEXT, allow_none=True)
    host = Line(most=_LONGEST_COLUMN, allow_none=True)
    port = Whole(least=0, most=65_535, allow_none=True)
    schema = Line(most=_LONGEST_COLUMN, allow_none=True)
    login = Text(most=_LONGEST_TEXT, allow_none=True)
    password = Text(most=10_000, allow_none=True, load_only=True)
    extra = JsonObject(most_bytes=crypto.LONGEST, allow_none=True, validate=_require_bounds)
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)


class ConnectionInput(ConnectionChange):
    """A connection to create."""

    into = NewConnection

    connection_id = Line(most=LONGEST_ID, required=True, validate=[CONNECTION_ID, _require_unreserved])
    connection_type = Line(most=_LONGEST_COLUMN, required=True, validate=_TYPE)


class ConnectionTestInput(ConnectionInput):
    """A connection to test without storing it."""

    into = UnsavedConnection

    connection_id = Line(most=LONGEST_ID, validate=CONNECTION_ID)


class TestQuery(QuerySchema):
    """Time limit of a test."""

    timeout_seconds = Number(least=0.001, most=60, load_default=10.0)


class ConnectionQuery(PageQuery):
    """Which connections to list."""

    into = ConnectionFilter

    connection_type = Line(most=_LONGEST_COLUMN)
    tenant_id = Line(most=LONGEST_LABEL)
    search = Text(least=1, most=LONGEST_SEARCH)
    order_by = order_by("connection_id", "connection_type", "host")


class DeleteConnectionQuery(QuerySchema):
    """Whether to delete a connection that is in use."""

    force = Flag(load_default=False)


class TestResponse(ResponseSchema):
    """The result of a test."""

    status = fields.String(validate=validate.OneOf(["success", "failed", "unsupported"]))
    message = fields.String()
    latency_ms = fields.Integer(allow_none=True)


class LastTestResponse(TestResponse):
    """The result of the last test, and its time."""

    tested_at = Timestamp()


class ConnectionResponse(ResponseSchema):
    """A connection without its secrets; ``secrets_set`` names those that are set.

    ``shared`` says whether every tenant may query it. All tenants see a connection that was created in
    Airflow's pages, but none may query it, until a change with ``"tenant_id": null`` shares it.
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
    """What refers to a connection, as far as the caller may read it."""

    connection_id = fields.String()
    used_by = fields.Dict(keys=fields.String(), values=fields.List(fields.Dict()))


class ExportQuery(QuerySchema):
    """Format of an export without secrets."""

    format = Choice(["json", "yaml"], load_default="json")
    secrets = Choice(["masked"], error="POST exports them, encrypted with a passphrase in the body.")


class SealedExportQuery(QuerySchema):
    """How secrets are exported: only encrypted."""

    secrets = Choice(["encrypted"])


class SealedExportInput(InputSchema):
    """Passphrase that encrypts the export."""

    passphrase = _passphrase(required=True, load_only=True)


class ImportInput(InputSchema):
    """Connections to import: the text of a file, ours or of ``airflow connections export``, or an object."""

    into = ImportRequest

    content = Text(most=_LONGEST_FILE)
    format = Choice(formats.FORMATS, load_default="json")
    connections = JsonObject(most=MOST_IMPORTED, most_bytes=_LONGEST_FILE)
    passphrase = _passphrase(load_only=True)
    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)
    on_conflict = Choice(["fail", "skip", "overwrite"], load_default="skip")
    dry_run = Flag(load_default=False)


class ImportedResponse(ResponseSchema):
    """What an import has done, or would do, with one connection."""

    connection_id = fields.String()
    result = fields.String(validate=validate.OneOf(["created", "overwritten", "skipped", "failed"]))
    message = fields.String(allow_none=True)
    missing_secrets = fields.List(fields.String())


class ImportResponse(ResponseSchema):
    """What an import has done, or would do."""

    dry_run = fields.Boolean()
    connections = fields.List(fields.Nested(ImportedResponse))
