"""Register OAuth clients in tests."""

from types import SimpleNamespace
from typing import Any, NamedTuple

from authlib.oauth2.rfc7636 import create_s256_code_challenge

STOCK = "/api/v1/dags"
REDIRECT = "https://app.example.com/callback"
VERIFIER = "a-verifier-that-a-client-has-made-up.of~43_characters"
CHALLENGE = create_s256_code_challenge(VERIFIER)
# A client that acts as the administrator with its own credentials.
SERVICE = {"grant_types": ["client_credentials"], "redirect_uris": [], "acting_user": "admin"}


class Registered(NamedTuple):
    """A client with its secret."""

    client_id: str
    secret: str | None

    @property
    def basic(self) -> tuple[str, str]:
        """The pair that HTTP Basic sends."""
        return self.client_id, self.secret or ""


def register(session: Any, user_id: int, **fields: Any) -> Registered:
    """Create a client of the administrator, by default a typical app."""
    from airflow_platform_plugin import airflow_compat
    from airflow_platform_plugin.auth.oauth import service
    from airflow_platform_plugin.auth.oauth.inputs import NewClient
    from airflow_platform_plugin.core.principal import Principal

    given = {
        "name": "An app",
        "public": False,
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "scopes": ["dags:read", "pools:write"],
    }
    found = airflow_compat.users.account(session, user_id)
    user = SimpleNamespace(id=found.id, username=found.name, created_on=found.created_on)
    by = Principal("admin", user)
    client = service.create(session, NewClient(**given | fields), by=by)
    return Registered(str(client.client_id), client.secret)
