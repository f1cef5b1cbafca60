"""Access tokens (OAuth 2.0, RFC 6749) and where they are stored."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta, timezone

from pydantic import BaseModel, ConfigDict, Field, model_validator

from airflow_platform.models.base import Timestamp
from airflow_platform.types import Json

VISIBLE_ASCII = r"^[\x21-\x7e]+$"
MAX_RENEWAL_MARGIN = 60.0  # seconds


class Token(BaseModel):
    """A response of the token endpoint.

    Attributes:
        access_token: Token that requests send.
        refresh_token: Token that gets the next access token of a login. It works once.
        renew_at: When to get the next token, a little before this one expires; None if it is unknown.
        scope: Scopes of the token, separated by spaces.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: str = Field(repr=False, pattern=VISIBLE_ASCII)
    refresh_token: str | None = Field(default=None, repr=False, pattern=VISIBLE_ASCII)
    renew_at: Timestamp | None = None
    scope: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _compute_renew_at(cls, data: Json) -> Json:
        seconds = data.get("expires_in") if isinstance(data, dict) else None
        if not isinstance(seconds, int | float):
            return data
        left = timedelta(seconds=seconds - min(MAX_RENEWAL_MARGIN, seconds / 10))
        return data | {"renew_at": datetime.now(timezone.utc) + left}

    def serves(self, rejected: "Token | None" = None) -> bool:
        """Return whether requests can send this token.

        Args:
            rejected: Token that the platform has rejected; the answer for that one is false.
        """
        if rejected is not None and rejected.access_token == self.access_token:
            return False
        return self.renew_at is None or datetime.now(timezone.utc) < self.renew_at

    def succeeding(self, former: "Token | None") -> "Token":
        """Return this token, with the former one's refresh token if it has none (RFC 6749, section 6).

        Args:
            former: Token that this one replaces; None for the first.
        """
        if self.refresh_token is not None or former is None:
            return self
        return self.model_copy(update={"refresh_token": former.refresh_token})


class TokenStore:
    """Stores the token of a client in memory.

    A subclass can store it where other processes find it too.

    Args:
        token: Token to start with.

    Example:
        store = TokenStore(Token(access_token="…", refresh_token="…"))
        client = PlatformClient(client_id="your-public-client", tokens=store)
    """

    def __init__(self, token: Token | None = None) -> None:
        self._token = token

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from renewing the token inside a ``with`` block; this may block.

        A refresh token works once. If one is sent a second time, the platform assumes that it was stolen and
        revokes the whole login.
        """
        return nullcontext()

    def load(self) -> Token | None:
        """Return the stored token, if there is one."""
        return self._token

    def save(self, token: Token) -> None:
        """Store a new token. The client calls this before it uses the token.

        Args:
            token: Token to store.
        """
        self._token = token
