"""Access tokens (OAuth 2.0, RFC 6749), and where they are kept."""

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta, timezone
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from airflow_platform.models.base import Moment

VISIBLE_ASCII = r"^[\x21-\x7e]+$"
LONGEST_MARGIN = 60.0


class Token(BaseModel):
    """What the token endpoint answered.

    Attributes:
        access_token: What requests carry.
        refresh_token: What the next token is asked for with, where a user has logged in; it works once.
        renew_at: When to ask for the next, a little before this one ends; None where that is not known.
        scope: What the token is for, separated by spaces.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    access_token: str = Field(repr=False, pattern=VISIBLE_ASCII)
    refresh_token: str | None = Field(default=None, repr=False, pattern=VISIBLE_ASCII)
    renew_at: Moment | None = None
    scope: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _when_to_renew(cls, answer: Any) -> Any:  # noqa: ANN401 - before validation
        seconds = answer.get("expires_in") if isinstance(answer, dict) else None
        if not isinstance(seconds, int | float):
            return answer
        left = timedelta(seconds=seconds - min(LONGEST_MARGIN, seconds / 10))
        return answer | {"renew_at": datetime.now(timezone.utc) + left}

    def serves(self, rejected: "Token | None" = None) -> bool:
        """Whether it can be sent: it has not ended, and it is not the one that the platform rejected."""
        if rejected is not None and rejected.access_token == self.access_token:
            return False
        return self.renew_at is None or datetime.now(timezone.utc) < self.renew_at

    def succeeding(self, former: "Token | None") -> "Token":
        """This token, with the former one's refresh token where it has none (RFC 6749, section 6)."""
        if self.refresh_token is not None or former is None:
            return self
        return self.model_copy(update={"refresh_token": former.refresh_token})


class TokenStore:
    """Keeps a client's token, in memory; a subclass can keep it where other programs find it too."""

    def __init__(self, token: Token | None = None) -> None:
        self._token = token

    def lock(self) -> AbstractContextManager[None]:
        """Keep other programs from renewing the token meanwhile; it may block.

        A refresh token works once. Whoever sends one that was used before is taken for a thief, and the
        platform revokes the whole login.
        """
        return nullcontext()

    def load(self) -> Token | None:
        """The token that is kept now."""
        return self._token

    def save(self, token: Token) -> None:
        """Keep a new token; this is called before the token is used."""
        self._token = token
