"""Recognise what a program shows: an API key or a token, in one indexed query or none.

A web worker remembers what it has found for a second, so that a busy program costs one query a second;
a revocation counts everywhere within that second. Remembered is the credential alone: its owner and
the owner's roles are read for each request.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from flask import request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import key_format, service
from airflow_platform_plugin.auth.ancestry import MOST_GENERATIONS
from airflow_platform_plugin.auth.models import API_KEY, TOKEN, ApiKey
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client, Token
from airflow_platform_plugin.core import crypto, db, rate_limits, scopes
from airflow_platform_plugin.core.principal import Credential, DagLimit

log = logging.getLogger(__name__)

REMEMBERED_SECONDS = 1.0
USE_NOTED_EVERY = timedelta(minutes=1)
_MOST_REMEMBERED = 1000


class Networks:
    """Some networks, and whether an address is in one of them: as fast for many as for few."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._known: dict[tuple[int, int], set[int]] = {}
        for network in map(ip_network, texts):
            hidden = network.max_prefixlen - network.prefixlen
            starts = self._known.setdefault((network.version, hidden), set())
            starts.add(int(network.network_address) >> hidden)

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Whether the address is in one of the networks."""
        number = int(address)
        return any(
            version == address.version and number >> hidden in starts
            for (version, hidden), starts in self._known.items()
        )


@lru_cache(maxsize=128)
def _networks(texts: tuple[str, ...]) -> Networks:
    return Networks(texts)


@dataclass(frozen=True)
class StoredCredential:
    """A live credential as it is stored.

    Attributes:
        credential: what it grants.
        account: as whom it acts; None where nobody is known.
        networks: where it counts, in all of these; none for everywhere.
    """

    credential: Credential
    account: Account | None
    networks: tuple[Networks, ...] = ()

    def counts(self, address: str | None) -> bool:
        """Whether it counts now, from a client at ``address``."""
        expires_at = self.credential.expires_at
        if expires_at is not None and expires_at <= db.now():
            return False
        if not self.networks:
            return True
        try:
            client = ip_address(address or "")
        except ValueError:
            return False
        # An IPv4 client of a socket that listens on IPv6 too has an address such as ::ffff:10.0.0.1.
        client = getattr(client, "ipv4_mapped", None) or client
        return all(client in networks for networks in self.networks)

    def below(self, parent: "StoredCredential") -> "StoredCredential | None":
        """The same, as far as the credential that made it allows: never more, and never longer."""
        own, above = self.credential, parent.credential
        if None not in {own.tenant_id, above.tenant_id} and own.tenant_id != above.tenant_id:
            return None
        ends = [moment for moment in (own.expires_at, above.expires_at) if moment is not None]
        credential = replace(
            own,
            scopes=scopes.common(own.scopes, above.scopes),
            dags=own.dags + above.dags,
            networked=own.networked or above.networked,
            tenant_id=own.tenant_id or above.tenant_id,
            rate_limits=rate_limits.tightest(own.rate_limits, above.own_limits),
            own_limits=rate_limits.tightest(own.own_limits, above.own_limits),
            expires_at=min(ends, default=None),
            # They share what the parent has, or it could make itself as many times that as it likes.
            counted_as=above.id if above.own_limits else own.counted_as,
        )
        return replace(self, credential=credential, networks=self.networks + parent.networks)


@dataclass
class _Memory:
    found: dict[str, tuple[float, StoredCredential]] = field(default_factory=dict)
    noted: dict[str, float] = field(default_factory=dict)


_memory = _Memory()
_clock = time.monotonic


def clear_cache() -> None:
    """Look every credential up again when it is next shown."""
    _memory.found.clear()
    _memory.noted.clear()


def forget_one(text: str) -> None:
    """Look this credential up again when it is next shown."""
    _memory.found.pop(crypto.digest(text), None)


def authenticate(text: str, address: str | None) -> StoredCredential | None:
    """What ``text`` is, if it is a live credential that counts for a client at ``address``."""
    parsed = key_format.parse(text)
    if parsed is None or parsed.prefix == key_format.REFRESH_TOKEN:
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
    if parsed.prefix == key_format.API_KEY:
        record_last_used(parsed.id, now)
    return found


def _find(session: Session, parsed: key_format.ParsedKey) -> StoredCredential | None:
    if parsed.prefix == key_format.ACCESS_TOKEN:
        token = tokens.find(session, parsed)
        if token is None or token[0].is_revoked():
            return None
        found, parent = of_token(*token), token[1].parent
    else:
        live = service.find(session, parsed)
        if live is None:
            return None
        found, parent = of_key(*live), live.row.parent
    return bounded(session, found, parent)


def bounded(session: Session, found: StoredCredential, parent: str | None) -> StoredCredential | None:
    """What is left of a credential below all those that it comes from, or None where one has ended.

    They are looked at whenever the credential is, rather than ended together with the first of them: so it
    does not matter how one ends, or what it loses later.
    """
    seen = {found.credential.reference}
    above: list[StoredCredential] = []
    while parent is not None and parent not in seen:
        if len(seen) > MOST_GENERATIONS:
            log.warning("%s comes from too many others and does not count", found.credential.reference)
            return None
        seen.add(parent)
        loaded = _load(session, parent)
        narrowed = None if loaded is None else found.below(loaded[0])
        if loaded is None or narrowed is None:
            return None
        above.append(loaded[0])
        found, parent = narrowed, loaded[1]
    accounts = {each.account for each in above if each.account != found.account}
    there = airflow_compat.users.accounts(
        session, [account.id for account in accounts if account is not None]
    )
    return found if all(account in there.values() for account in accounts) else None


def client_counts(session: Session, client: Client) -> bool:
    """Whether an OAuth client counts: not where what it was made with has ended."""
    if client.expires_at is not None and client.expires_at <= db.now():
        return False
    made = StoredCredential(
        Credential(id=str(client.client_id), reference=f"client:{client.client_id}"), client.account
    )
    left = bounded(session, made, client.parent)
    return left is not None and left.counts(request.remote_addr)


def _load(session: Session, reference: str) -> tuple[StoredCredential, str | None] | None:
    """The live credential of that reference, and its own parent's."""
    kind, _, name = reference.partition(":")
    if kind == TOKEN:
        token = tokens.of_id(session, name)
        if token is None or token[0].is_revoked():
            return None
        return of_token(*token), token[1].parent
    live = service.of_id(session, name) if kind == API_KEY else None
    return None if live is None or live.row.revoked_at is not None else (of_key(*live), live.row.parent)


def of_key(row: ApiKey, tenant_rate_limits: Mapping[str, str] | None) -> StoredCredential:
    """An API key's row in the words of a request; its own rate limits count more than its tenant's."""
    networks, dags = row.allowed_networks, row.allowed_dags
    return StoredCredential(
        Credential(
            id=str(row.id),
            scopes=None if row.scopes is None else frozenset(row.scopes),
            dags=() if dags is None else (DagLimit(tuple(dags["dag_ids"]), tuple(dags["tags"])),),
            networked=networks is not None,
            tenant_id=row.tenant_id,
            rate_limits=rate_limits.merged(row.rate_limits, tenant_rate_limits),
            own_limits=row.rate_limits or {},
            reference=f"{API_KEY}:{row.id}",
            expires_at=row.expires_at,
        ),
        account=row.account,
        networks=() if networks is None else (_networks(tuple(networks)),),
    )


def of_token(row: Token, client: Client) -> StoredCredential:
    """An access token's row in the words of a request; what the client has lost, its tokens have lost."""
    ends = [moment for moment in (row.expires_at, client.expires_at) if moment is not None]
    return StoredCredential(
        Credential(
            id=str(client.client_id),
            scopes=frozenset(client.granted(row.scopes)),
            reference=f"{TOKEN}:{row.id}",
            expires_at=min(ends),
        ),
        account=row.account,
    )


def record_last_used(key_id: str, now: float) -> None:
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
