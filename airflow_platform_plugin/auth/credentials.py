"""Recognise what a program shows: an API key or a token, in one indexed query or none.

A web worker remembers what it has found for a second, so that a busy program costs one query a second;
a revocation counts everywhere within that second. Remembered is the credential alone: its owner and
the owner's roles are read for each request.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto, db, rates
from airflow_platform_plugin.auth import keys, service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client, Token
from airflow_platform_plugin.principal import Credential, DagLimit

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 1.0
USE_NOTED_EVERY = timedelta(minutes=1)
_MOST_REMEMBERED = 1000


@dataclass(frozen=True)
class Found:
    """A live credential as it is stored.

    Attributes:
        credential: what it grants.
        user_id: as whom it acts.
        expires_at: when it ends; None for never.
        networks: where it counts; None for everywhere.
    """

    credential: Credential
    user_id: int
    expires_at: datetime | None = None
    networks: tuple[IPv4Network | IPv6Network, ...] | None = None

    def counts(self, address: str | None) -> bool:
        """Whether it counts now, from a client at ``address``."""
        if self.expires_at is not None and self.expires_at <= db.now():
            return False
        if self.networks is None:
            return True
        try:
            client = ip_address(address or "")
        except ValueError:
            return False
        # An IPv4 client of a socket that listens on IPv6 too has an address such as ::ffff:10.0.0.1.
        client = getattr(client, "ipv4_mapped", None) or client
        return any(client in network for network in self.networks)


@dataclass
class _Memory:
    found: dict[str, tuple[float, Found]] = field(default_factory=dict)
    noted: dict[str, float] = field(default_factory=dict)


_memory = _Memory()
_clock = time.monotonic


def forget() -> None:
    """Look every credential up again when it is next shown."""
    _memory.found.clear()
    _memory.noted.clear()


def recognise(text: str, address: str | None) -> Found | None:
    """What ``text`` is, if it is a live credential that counts for a client at ``address``."""
    parsed = keys.parse(text)
    if parsed is None or parsed.prefix == keys.REFRESH_TOKEN:
        return None
    digest, now = crypto.digest(text), _clock()
    until, found = _memory.found.get(digest, (0.0, None))
    if now >= until:
        with db.transaction() as session:
            found = _find(session, parsed)
        if found is None:
            return None
        _remember(_memory.found, digest, (now + REMEMBERED_SECONDS, found))
    if found is None or not found.counts(address):
        return None
    if parsed.prefix == keys.API_KEY:
        _note_use(parsed.id, now)
    return found


def _find(session: Session, parsed: keys.KeyText) -> Found | None:
    if parsed.prefix == keys.ACCESS_TOKEN:
        found = tokens.find(session, parsed)
        return None if found is None or found[0].is_revoked() else of_token(*found)
    live = service.find(session, parsed)
    return None if live is None else of_key(*live)


def of_key(row: ApiKey, tenant_rate_limits: Mapping[str, str] | None) -> Found:
    """An API key's row in the words of a request; its own rate limits count more than its tenant's."""
    networks = row.allowed_networks
    return Found(
        Credential(
            id=str(row.id),
            scopes=None if row.scopes is None else frozenset(row.scopes),
            dags=None
            if row.allowed_dags is None
            else DagLimit(tuple(row.allowed_dags["dag_ids"]), tuple(row.allowed_dags["tags"])),
            networked=networks is not None,
            tenant_id=row.tenant_id,
            rate_limits=rates.merged(row.rate_limits, tenant_rate_limits),
        ),
        user_id=row.user_id,
        expires_at=row.expires_at,
        networks=None if networks is None else tuple(ip_network(network) for network in networks),
    )


def of_token(row: Token, client: Client) -> Found:
    """An access token's row in the words of a request; what the client has lost, its tokens have lost."""
    return Found(
        Credential(id=str(client.client_id), scopes=frozenset(client.granted(row.scopes))),
        user_id=row.user_id,
        expires_at=row.expires_at,
    )


def _note_use(key_id: str, now: float) -> None:
    """Write down that a key is in use, once a minute; a request never fails for that."""
    if now < _memory.noted.get(key_id, 0.0):
        return
    _remember(_memory.noted, key_id, now + USE_NOTED_EVERY.total_seconds())
    try:
        with db.transaction() as session:
            service.note_use(session, key_id, unless_since=db.now() - USE_NOTED_EVERY)
    except DBAPIError:
        log.warning("The use of the key %s could not be noted", key_id, exc_info=True)


def _remember(memory: dict, key: str, value: object) -> None:  # type: ignore[type-arg]  # either memory
    if len(memory) >= _MOST_REMEMBERED:
        memory.clear()
    memory[key] = value
