"""OAuth 2.0 clients, authorization codes and tokens.

They have the methods of authlib's ``ClientMixin``, ``AuthorizationCodeMixin`` and ``TokenMixin``. authlib is
not imported here, since the scheduler imports all tables too, to migrate them.
"""

import hmac

from sqlalchemy import JSON, Column, ForeignKey, Integer, String

from airflow_platform_plugin.auth.models import Owned
from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.core import crypto, db, scopes
from airflow_platform_plugin.core.db import UtcDateTime

# The two kinds of token, as RFC 7009 and RFC 7662 call them.
ACCESS, REFRESH = "access_token", "refresh_token"
GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class Client(Owned, db.Base):
    """A program that gets tokens. A public client, such as a command-line program, has no secret."""

    # The secret, which the service sets when it creates or rotates it; not a column.
    secret: str | None = None

    __tablename__ = "platform_oauth_client"

    client_id = Column(String(32), primary_key=True, default=lambda: db.new_id("oac"))
    name = Column(String(128), nullable=False)
    secret_hash = Column(String(64), info=db.SECRET)
    redirect_uris = Column(JSON, nullable=False)
    grant_types = Column(JSON, nullable=False)
    # The most that its tokens may have; null means all scopes, also those of later versions.
    scopes = Column(JSON(none_as_null=True))
    # The user that it acts as with its own credentials.
    user_id = Column(Integer)
    # The credential that created it, as for API keys, and the expiry that follows from it.
    parent = Column(String(48))
    expires_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256))  # null for the client that comes with the platform

    @property
    def public(self) -> bool:
        """Whether the client cannot keep a secret (RFC 6749 §2.1)."""
        return self.secret_hash is None

    def refused(self, wanted: list[str]) -> list[str]:
        """Return the wanted scopes that are unknown or that the client does not have."""
        known = [scope for scope in wanted if scope in scopes.known() and scopes.covers(self.scopes, scope)]
        return [scope for scope in wanted if scope not in known]

    def granted(self, wanted: list[str]) -> list[str]:
        """Return the wanted scopes that the client has, each once."""
        refused = self.refused(wanted)
        return [scope for scope in dict.fromkeys(wanted) if scope not in refused]

    def get_client_id(self) -> str:
        """Return the id."""
        return str(self.client_id)

    def get_default_redirect_uri(self) -> str | None:
        """Return the only redirect URI; None if there are several (RFC 6749 §3.1.2.3)."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the requested scopes that the client has; without a request, all that it has."""
        allowed = list(scopes.known()) if self.scopes is None else self.scopes
        return " ".join(self.granted((scope or "").split() or allowed)) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Return whether the redirect URI is one of the client's."""
        return redirects.match(self.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Return whether the secret is the client's, in constant time."""
        given = crypto.digest(client_secret)
        return self.secret_hash is not None and hmac.compare_digest(str(self.secret_hash), given)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Return whether the client may use the method: ``none`` without a secret, others with one."""
        return (method == "none") == self.public

    def check_response_type(self, response_type: str) -> bool:
        """Return whether the client may ask a user for a code."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether the client may get tokens with that grant."""
        return grant_type in self.grant_types


class AuthorizationCode(Owned, db.Base):
    """A code for a user's consent (RFC 6749 §4.1.2), stored as a hash."""

    __tablename__ = "platform_oauth_code"

    code_hash = Column(String(64), primary_key=True, info=db.SECRET)
    # The same for all tokens that come from one consent, so that they can be revoked together.
    family = Column(String(24), nullable=False, default=lambda: db.new_id("oaf"))
    client_id = Column(
        String(32),
        ForeignKey("platform_oauth_client.client_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )
    user_id = Column(Integer, nullable=False)
    # As in the request; null if the request had none, and the client's only one was used.
    redirect_uri = Column(String(redirects.MAX_LENGTH))
    scopes = Column(JSON, nullable=False)
    code_challenge = Column(String(128))
    expires_at = Column(UtcDateTime, nullable=False, index=True)
    redeemed_at = Column(UtcDateTime)

    def get_redirect_uri(self) -> str | None:
        """Return the redirect URI of the request, or None."""
        return None if self.redirect_uri is None else str(self.redirect_uri)

    def get_scope(self) -> str:
        """Return the scopes, separated by spaces (RFC 6749 §3.3)."""
        return " ".join(self.scopes)


class Token(Owned, db.Base):
    """An access or a refresh token. Only a hash of its secret is stored, as for API keys."""

    __tablename__ = "platform_oauth_token"

    id = Column(String(16), primary_key=True)
    kind = Column(String(16), nullable=False)
    secret_hash = Column(String(64), nullable=False, info=db.SECRET)
    family = Column(String(24), nullable=False, index=True)
    client_id = Column(
        String(32),
        ForeignKey("platform_oauth_client.client_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )
    user_id = Column(Integer, nullable=False)
    scopes = Column(JSON, nullable=False)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    expires_at = Column(UtcDateTime, nullable=False, index=True)
    # Also set when a refresh token is used: each works once.
    revoked_at = Column(UtcDateTime)

    def get_scope(self) -> str:
        """Return the scopes, separated by spaces (RFC 6749 §3.3)."""
        return " ".join(self.scopes)

    def check_client(self, client: Client) -> bool:
        """Return whether the token is the client's."""
        return bool(self.client_id == client.client_id)

    def is_expired(self) -> bool:
        """Return whether the token has expired."""
        return bool(self.expires_at <= db.now())

    def is_revoked(self) -> bool:
        """Return whether the token was revoked, or used up."""
        return self.revoked_at is not None
