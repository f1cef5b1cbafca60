"""OAuth 2.0 clients over HTTP."""

from typing import Any

from marshmallow import fields

from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.auth.oauth.models import GRANT_TYPES
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.http.fields import LONGEST_USER, Choice, Flag, Items, Line
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    ResponseSchema,
    Secret,
    Timestamp,
    order_by,
)


def _name(**options: Any) -> Line:  # noqa: ANN401 - marshmallow's
    return Line(least=1, most=128, **options)


def _uris(**options: Any) -> Items:  # noqa: ANN401 - marshmallow's
    return Items(Line(most=redirects.MAX_LENGTH), most=50, **options)


def _grant_types(**options: Any) -> Items:  # noqa: ANN401 - marshmallow's
    return Items(Choice(GRANT_TYPES), least=1, most=len(GRANT_TYPES), **options)


def _scopes(**options: Any) -> Items:  # noqa: ANN401 - marshmallow's
    return Items(
        Choice(all_scopes.known()), least=1, most=len(all_scopes.known()), allow_none=True, **options
    )


class ClientChange(InputSchema):
    """What of a client can be changed. Whether it is public cannot."""

    name = _name()
    redirect_uris = _uris()
    grant_types = _grant_types()
    # Null is every scope, those of later versions too.
    scopes = _scopes()
    acting_user = Line(least=1, most=LONGEST_USER, allow_none=True)


class ClientInput(ClientChange):
    """A client as it is asked for; without ``scopes`` its tokens may be for every scope, as an API key is."""

    name = _name(required=True)
    public = Flag(load_default=False)
    redirect_uris = _uris(load_default=list)
    grant_types = _grant_types(load_default=lambda: ["authorization_code", "refresh_token"])


class ClientQuery(PageQuery):
    """How the list of clients is ordered."""

    into = None

    order_by = order_by("client_id", "name", "created_at")


class ClientResponse(ResponseSchema):
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


class NewClientResponse(ClientResponse):
    """A client as its maker sees it, once; a public one has no secret."""

    client_secret = Secret(allow_none=True)


class ClientList(ResponseSchema):
    """A page of clients."""

    oauth_clients = fields.List(fields.Nested(ClientResponse), attribute="items")
    total_entries = fields.Integer()
