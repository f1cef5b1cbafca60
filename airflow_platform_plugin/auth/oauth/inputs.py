"""What the service of OAuth clients takes."""

from dataclasses import dataclass, field
from typing import TypedDict

from airflow_platform_plugin.core.unset import UNSET, Unset


def _default_grant_types() -> list[str]:
    return ["authorization_code", "refresh_token"]


@dataclass(frozen=True, kw_only=True)
class NewClient:
    """A client to create.

    Attributes:
        name: for people.
        public: whether it has no secret, such as a command-line program.
        redirect_uris: where browsers may be sent with a code.
        grant_types: how it may get tokens, of ``GRANT_TYPES``.
        scopes: the most that its tokens may have; None for all scopes. If unset: those of the credential
            that creates it, or all.
        acting_user: the name of the user that it acts as with its own credentials; None for nobody.
    """

    name: str
    public: bool = False
    redirect_uris: list[str] = field(default_factory=list)
    grant_types: list[str] = field(default_factory=_default_grant_types)
    scopes: list[str] | Unset | None = UNSET
    acting_user: str | None = None


class ClientChanges(TypedDict, total=False):
    """What to change of a client. Its fields are ``NewClient``'s."""

    name: str
    redirect_uris: list[str]
    grant_types: list[str]
    scopes: list[str] | None
    acting_user: str | None
