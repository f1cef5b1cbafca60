"""OAuth 2.0 clients over HTTP."""

from marshmallow import fields, validate

from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.auth.oauth.models import GRANT_TYPES
from airflow_platform_plugin.fields import AnswerSchema, InputSchema, PageQuery, Secret, Timestamp, order_by
from airflow_platform_plugin.scopes import SCOPES

_UNKNOWN = "Unknown; known are: {choices}."
_NAME = validate.Length(min=1, max=128)
_SCOPE = fields.String(validate=validate.OneOf(SCOPES, error=_UNKNOWN))
_NOT_EMPTY = validate.Length(min=1, max=100)


class ClientChange(InputSchema):
    """What of a client can be changed. Whether it is public cannot."""

    name = fields.String(validate=_NAME)
    redirect_uris = fields.List(
        fields.String(validate=validate.Length(max=redirects.MAX_LENGTH)), validate=validate.Length(max=50)
    )
    grant_types = fields.List(
        fields.String(validate=validate.OneOf(GRANT_TYPES, error=_UNKNOWN)), validate=_NOT_EMPTY
    )
    # Null is every scope, those of later versions too.
    scopes = fields.List(_SCOPE, validate=_NOT_EMPTY, allow_none=True)
    acting_user = fields.String(validate=validate.Length(min=1, max=256), allow_none=True)


class ClientInput(ClientChange):
    """A client as it is asked for; without ``scopes`` its tokens may be for every scope, as an API key is."""

    name = fields.String(required=True, validate=_NAME)
    public = fields.Boolean(load_default=False)
    redirect_uris = fields.List(
        fields.String(validate=validate.Length(max=redirects.MAX_LENGTH)),
        validate=validate.Length(max=50),
        load_default=list,
    )
    grant_types = fields.List(
        fields.String(validate=validate.OneOf(GRANT_TYPES, error=_UNKNOWN)),
        validate=_NOT_EMPTY,
        load_default=lambda: ["authorization_code", "refresh_token"],
    )


class ClientQuery(PageQuery):
    """How the list of clients is ordered."""

    order_by = order_by("client_id", "name", "created_at")


class ClientAnswer(AnswerSchema):
    """A client without its secret."""

    client_id = fields.String()
    name = fields.String()
    public = fields.Boolean()
    redirect_uris = fields.List(fields.String())
    grant_types = fields.List(fields.String())
    scopes = fields.List(fields.String(), allow_none=True)
    acting_user = fields.String(allow_none=True)
    created_at = Timestamp()
    created_by = fields.String(allow_none=True)
    parent = fields.String(allow_none=True)
    expires_at = Timestamp(allow_none=True)


class NewClientAnswer(ClientAnswer):
    """A client as its maker sees it, once; a public one has no secret."""

    client_secret = Secret(allow_none=True)


class ClientList(AnswerSchema):
    """A page of clients."""

    oauth_clients = fields.List(fields.Nested(ClientAnswer), attribute="items")
    total_entries = fields.Integer()
