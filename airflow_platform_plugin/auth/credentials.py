"""Authenticate the API key or token that a program sends, with one indexed query or none.

Each web worker caches what it finds for a second, so a busy program costs one query a second, and a
revocation takes effect everywhere within that second. Only the credential is cached: its owner and the
owner's roles are read for each request.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

from flask import request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.users import Account
from airflow_platform_plugin.auth import key_format, key_lookup
from airflow_platform_plugin.auth.ancestry import MOST_GENERATIONS
from airflow_platform_plugin.auth.models import API_KEY, TOKEN, ApiKey
from airflow_platform_plugin.auth.oauth import tokens
from airflow_platform_plugin.auth.oauth.models import Client, Token
from airflow_platform_plugin.core import crypto, db, rate_limits, scopes
from airflow_platform_plugin.core.principal import Credential, DagLimit

log = logging.getLogger(__name__)

CACHE_SECONDS = 1.0
USE_RECORDED_EVERY = timedelta(minutes=1)
_MOST_CACHED = 1000


class Networks:
    """A set of networks; the cost of a membership test does not grow with their number."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for network in map(ip_network, texts):
            host_bits = network.max_prefixlen - network.prefixlen
            prefixes = self._prefixes.setdefault((network.version, host_bits), set())
            prefixes.add(int(network.network_address) >> host_bits)

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        """Return whether the address is in one of the networks."""
        number = int(address)
        return any(
            version == address.version and number >> host_bits in prefixes
            for (version, host_bits), prefixes in self._prefixes.items()
        )


@lru_cache(maxsize=128)
def _networks(texts: tuple[str, ...]) -> Networks:
    return Networks(texts)


@dataclass(frozen=True)
class StoredCredential:
    """A credential that is stored and not revoked.

    Attributes:
        credential: what it may do.
        account: the account that it acts as; None if that is unknown.
        networks: an address must be in all of these; if empty, every address will do.
    """

    credential: Credential
    account: Account | None
    networks: tuple[Networks, ...] = ()

    def is_valid_for(self, address: str | None) -> bool:
        """Return whether a client at ``address`` may use it now."""
        expires_at = self.credential.expires_at
        if expires_at is not None and expires_at <= db.now():
            return False
        if not self.networks:
            return True
        try:
            client = ip_address(address or "")
        except ValueError:
            return False
        # An IPv4 client of a socket that also listens on IPv6 has an address such as ::ffff:10.0.0.1.
        client = getattr(client, "ipv4_mapped", None) or client
        return all(client in networks for networks in self.networks)

    def limited_by(self, parent: "StoredCredential") -> "StoredCredential | None":
        """Return this credential with the limits of the credential that created it as well.

        Returns:
            None if the two are limited to different tenants.
        """
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
            # Both share the parent's rate limits; otherwise each new key would multiply them.
            counted_as=above.id if above.own_limits else own.counted_as,
        )
        return replace(self, credential=credential, networks=self.networks + parent.networks)


@dataclass
class _Cache:
    """What this process remembers.

    Attributes:
        credentials: by the digest of a key's text, until when it is cached, and the credential.
        recorded_uses: by a key's id, until when its use need not be recorded again.
    """

    credentials: dict[str, tuple[float, StoredCredential]] = field(default_factory=dict)
    recorded_uses: dict[str, float] = field(default_factory=dict)


_cache = _Cache()
_clock = time.monotonic
_Value = TypeVar("_Value")


def clear_cache() -> None:
    """Forget all cached credentials."""
    _cache.credentials.clear()
    _cache.recorded_uses.clear()


def clear_cached(text: str) -> None:
    """Forget the cached credential of a key's or token's text."""
    _cache.credentials.pop(crypto.digest(text), None)


def authenticate(text: str, address: str | None) -> StoredCredential | None:
    """Return the credential with that text if a client at ``address`` may use it now, else None."""
    parsed = key_format.parse(text)
    if parsed is None or parsed.prefix == key_format.REFRESH_TOKEN:
        return None
    digest, now = crypto.digest(text), _clock()
    until, stored = _cache.credentials.get(digest, (0.0, None))
    if now >= until:
        with db.transaction() as session:
            stored = _find(session, parsed)
        if stored is None:
            return None
        _put(_cache.credentials, digest, (now + CACHE_SECONDS, stored))
    if stored is None or not stored.is_valid_for(address):
        return None
    if parsed.prefix == key_format.API_KEY:
        record_last_used(parsed.id, now)
    return stored


def _find(session: Session, parsed: key_format.ParsedKey) -> StoredCredential | None:
    if parsed.prefix == key_format.ACCESS_TOKEN:
        token = tokens.find(session, parsed)
        if token is None or token[0].is_revoked():
            return None
        stored, parent = _from_token(*token), token[1].parent
    else:
        key = key_lookup.find(session, parsed)
        if key is None:
            return None
        stored, parent = _from_key(*key), key.row.parent
    return limit_by_ancestors(session, stored, parent)


def limit_by_ancestors(
    session: Session, stored: StoredCredential, parent: str | None
) -> StoredCredential | None:
    """Return a credential with the limits of all credentials that it comes from.

    Each use reads the ancestors again. So it does not matter how an ancestor ended or lost a right.

    Args:
        session: the transaction.
        stored: the credential.
        parent: the reference of the credential that created it.

    Returns:
        None if one of the ancestors has ended.
    """
    seen = {stored.credential.reference}
    above: list[StoredCredential] = []
    while parent is not None and parent not in seen:
        if len(seen) > MOST_GENERATIONS:
            log.warning(
                "%s is refused: it comes from more than %s credentials",
                stored.credential.reference,
                MOST_GENERATIONS,
            )
            return None
        seen.add(parent)
        loaded = _load(session, parent)
        narrowed = None if loaded is None else stored.limited_by(loaded[0])
        if loaded is None or narrowed is None:
            return None
        above.append(loaded[0])
        stored, parent = narrowed, loaded[1]
    accounts = {each.account for each in above if each.account != stored.account}
    existing = airflow_compat.users.accounts(
        session, [account.id for account in accounts if account is not None]
    )
    return stored if all(account in existing.values() for account in accounts) else None


def is_client_valid(session: Session, client: Client) -> bool:
    """Return whether an OAuth client may be used: it ends with the credential that created it."""
    if client.expires_at is not None and client.expires_at <= db.now():
        return False
    stored = StoredCredential(
        Credential(id=str(client.client_id), reference=f"client:{client.client_id}"), client.account
    )
    limited = limit_by_ancestors(session, stored, client.parent)
    return limited is not None and limited.is_valid_for(request.remote_addr)


def _load(session: Session, reference: str) -> tuple[StoredCredential, str | None] | None:
    """Return the credential with that reference and its parent's reference; None if it is revoked."""
    kind, _, name = reference.partition(":")
    if kind == TOKEN:
        token = tokens.find_by_id(session, name)
        if token is None or token[0].is_revoked():
            return None
        return _from_token(*token), token[1].parent
    key = key_lookup.find_by_id(session, name) if kind == API_KEY else None
    return None if key is None or key.row.revoked_at is not None else (_from_key(*key), key.row.parent)


def _from_key(row: ApiKey, tenant_rate_limits: Mapping[str, str] | None) -> StoredCredential:
    """Build the credential of an API key. Its own rate limits replace those of its tenant."""
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


def _from_token(row: Token, client: Client) -> StoredCredential:
    """Build the credential of an access token. It has only scopes that the client still has."""
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
    """Store that a key is in use, at most once a minute. A failure is logged and fails no request."""
    if now < _cache.recorded_uses.get(key_id, 0.0):
        return
    _put(_cache.recorded_uses, key_id, now + USE_RECORDED_EVERY.total_seconds())
    try:
        with db.transaction() as session:
            key_lookup.record_use(session, key_id, unless_since=db.now() - USE_RECORDED_EVERY)
    except DBAPIError:
        log.warning("The last use of the key %s could not be stored", key_id, exc_info=True)


def _put(cached: dict[str, _Value], key: str, value: _Value) -> None:
    if len(cached) >= _MOST_CACHED:
        cached.clear()
    cached[key] = value
