"""OAuth 2.0 clients, authorization codes and tokens.

Their methods are what authlib asks of such objects (its ``ClientMixin``, ``AuthorizationCodeMixin`` and
``TokenMixin``). It is not imported here: whoever migrates imports every table, the scheduler too.
"""

import hmac

from sqlalchemy import JSON, Column, ForeignKey, Integer, String

from airflow_platform_plugin.auth.models import Owned
from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.core import crypto, db, scopes
from airflow_platform_plugin.core.db import UtcDateTime

# RFC 7009's and RFC 7662's words for the two kinds of token.
ACCESS, REFRESH = "access_token", "refresh_token"
GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class Client(Owned, db.Base):
    """A program that asks for tokens. A public one, such as a command-line program, has no secret."""

    __tablename__ = "platform_oauth_client"

    client_id = Column(String(32), primary_key=True, default=lambda: db.new_id("oac"))
    name = Column(String(128), nullable=False)
    secret_hash = Column(String(64), info=db.SECRET)
    redirect_uris = Column(JSON, nullable=False)
    grant_types = Column(JSON, nullable=False)
    # What its tokens may be for at the most; null is every scope, those of later versions too.
    scopes = Column(JSON(none_as_null=True))
    # As whom it acts by its own credentials.
    user_id = Column(Integer)
    # The credential that made it, as of API keys, and when it ends for that reason.
    parent = Column(String(48))
    expires_at = Column(UtcDateTime)
    created_at = Column(UtcDateTime, nullable=False, default=db.now)
    created_by = Column(String(256))  # null for the one that comes with the platform

    @property
    def public(self) -> bool:
        """Whether it cannot keep a secret (RFC 6749 §2.1)."""
        return self.secret_hash is None

    def refused(self, wanted: list[str]) -> list[str]:
        """Those of the scopes that are unknown or not this client's."""
        known = [scope for scope in wanted if scope in scopes.known() and scopes.covers(self.scopes, scope)]
        return [scope for scope in wanted if scope not in known]

    def granted(self, wanted: list[str]) -> list[str]:
        """Those of the scopes that are this client's, each once."""
        refused = self.refused(wanted)
        return [scope for scope in dict.fromkeys(wanted) if scope not in refused]

    def get_client_id(self) -> str:
        """Asked by authlib."""
        return str(self.client_id)

    def get_default_redirect_uri(self) -> str | None:
        """Where to go if a request does not say; unclear where there are several (RFC 6749 §3.1.2.3)."""
        return self.redirect_uris[0] if len(self.redirect_uris) == 1 else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """What a request gets: what it asks for as far as that is the client's, or all of that."""
        all_of_it = list(scopes.known()) if self.scopes is None else self.scopes
        return " ".join(self.granted((scope or "").split() or all_of_it)) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is one of the client's."""
        return redirects.match(self.redirect_uris, redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is the client's, in constant time."""
        given = crypto.digest(client_secret)
        return self.secret_hash is not None and hmac.compare_digest(str(self.secret_hash), given)

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Whether the client may authenticate so: with its secret if it has one, or else without."""
        return (method == "none") == self.public

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may ask a user for a code."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may get tokens so."""
        return grant_type in self.grant_types


class AuthorizationCode(Owned, db.Base):
    """A user's consent on its way to the client (RFC 6749 §4.1.2), kept as a hash."""

    __tablename__ = "platform_oauth_code"

    code_hash = Column(String(64), primary_key=True, info=db.SECRET)
    # Names all tokens that come from one consent, so that they can be revoked together.
    family = Column(String(24), nullable=False, default=lambda: db.new_id("oaf"))
    client_id = Column(
        String(32),
        ForeignKey("platform_oauth_client.client_id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    )
    user_id = Column(Integer, nullable=False)
    # As the request gave it; null where it gave none, and the client's only one was taken.
    redirect_uri = Column(String(redirects.MAX_LENGTH))
    scopes = Column(JSON, nullable=False)
    code_challenge = Column(String(128))
    expires_at = Column(UtcDateTime, nullable=False, index=True)
    redeemed_at = Column(UtcDateTime)

    def get_redirect_uri(self) -> str | None:
        """Asked by authlib."""
        return None if self.redirect_uri is None else str(self.redirect_uri)

    def get_scope(self) -> str:
        """The scopes, separated by spaces (RFC 6749 §3.3)."""
        return " ".join(self.scopes)


class Token(Owned, db.Base):
    """An access or a refresh token. Only a hash of its secret is stored, as of an API key's."""

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
    # Also set when a refresh token was used: each is good for one use.
    revoked_at = Column(UtcDateTime)

    def get_scope(self) -> str:
        """The scopes, separated by spaces (RFC 6749 §3.3)."""
        return " ".join(self.scopes)

    def check_client(self, client: Client) -> bool:
        """Whether it was made for that client."""
        return bool(self.client_id == client.client_id)

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return bool(self.expires_at <= db.now())

    def is_revoked(self) -> bool:
        """Whether it was revoked, or used up."""
        return self.revoked_at is not None
