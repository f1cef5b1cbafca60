"""Request and response bodies of OAuth 2.0 clients."""

from marshmallow import fields

from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.auth.oauth.inputs import NewClient
from airflow_platform_plugin.auth.oauth.models import GRANT_TYPES
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.http.fields import LONGEST_USER, Choice, Flag, Items, Line
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    ResponseSchema,
    Secret,
    Timestamp,
    order_by,
)


def _name(**options: Option) -> Line:
    return Line(least=1, most=128, **options)


def _uris(**options: Option) -> Items:
    return Items(Line(most=redirects.MAX_LENGTH), most=50, **options)


def _grant_types(**options: Option) -> Items:
    return Items(Choice(GRANT_TYPES), least=1, most=len(GRANT_TYPES), **options)


def _scopes(**options: Option) -> Items:
    return Items(
        Choice(all_scopes.known()), least=1, most=len(all_scopes.known()), allow_none=True, **options
    )


class ClientChange(InputSchema):
    """Changes of a client. Whether it is public cannot be changed."""

    name = _name()
    redirect_uris = _uris()
    grant_types = _grant_types()
    # Null means all scopes, also those of later versions.
    scopes = _scopes()
    acting_user = Line(least=1, most=LONGEST_USER, allow_none=True)


class ClientInput(ClientChange):
    """A client to create. Without ``scopes``, its tokens may have all scopes."""

    into = NewClient

    name = _name(required=True)
    public = Flag(load_default=False)
    redirect_uris = _uris(load_default=list)
    grant_types = _grant_types(load_default=lambda: ["authorization_code", "refresh_token"])


class ClientQuery(PageQuery):
    """Which page of the list of clients, in which order."""

    order_by = order_by("client_id", "name", "created_at")


class ClientResponse(ResponseSchema):
    """A client without its secret."""

    client_id = fields.String()
    name = fields.String()
    public = fields.Boolean()
    redirect_uris = fields.List(fields.String())
    grant_types = fields.List(fields.String())
    scopes = fields.List(fields.String(), allow_none=True)
    acting_user = fields.String(allow_none=True, attribute="owner_name")
    created_at = Timestamp()
    created_by = fields.String(allow_none=True)
    parent = fields.String(allow_none=True)
    expires_at = Timestamp(allow_none=True)


class NewClientResponse(ClientResponse):
    """A new client, or one with a new secret, which is shown once. A public client has none."""

    client_secret = Secret(allow_none=True, attribute="secret")


class ClientList(ResponseSchema):
    """A page of clients."""

    oauth_clients = fields.List(fields.Nested(ClientResponse), attribute="items")
    total_entries = fields.Integer()
