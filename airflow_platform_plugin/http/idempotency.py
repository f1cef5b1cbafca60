"""``Idempotency-Key``: a POST that is sent twice does its work once.

The key is claimed in the same transaction as the work. If two requests arrive at the same moment, the second
one waits until the transaction of the first one ends. Then it finds the first answer; if the first request
failed, it does the work itself. Failed requests leave nothing, so they can be sent again.

A key belongs to its caller: the credential and the user, since several users share an OAuth client. A caller
who still has the rights of the first request gets the same answer again. An answer with a secret, or one that
is too long, is not stored; a repeated request then learns only that the first one succeeded.
(IETF draft-ietf-httpapi-idempotency-key-header.)
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from flask import request
from sqlalchemy import Column, Index, Integer, String, Text, and_, delete, func, select, update
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.db import UtcDateTime
from airflow_platform_plugin.core.errors import Conflict, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import EVERYWHERE, Reach
from airflow_platform_plugin.core.types import Json, SqlValue

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
RETENTION = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BATCH = 1000
# Characters of one answer as JSON, and of all answers of one caller within RETENTION.
LONGEST = 1_048_576
MOST_STORED = 16 * LONGEST
_SHOWN_ONCE = (
    "Its answer had a secret, which is shown once. Read what was created, and rotate the secret or create "
    "another."
)
_NOT_STORED = (
    "Its answer is not stored, since it is too long or too many others are stored. Read what was created."
)
_IDS_OF_OTHERS = ("tenant_id", "dag_id")
_ON_DAGS = (("GET", None), ("POST", "RUN"), ("PUT", "RUN"), ("PUT", "TASK_INSTANCE"))


class IdempotencyKey(db.Base):
    """A key of one caller for one path, and the answer to its request."""

    __tablename__ = "platform_idempotency_key"

    id = Column(String(64), primary_key=True)
    body_digest = Column(String(64), nullable=False)
    # The request that does the work. Databases report in different ways which INSERT succeeded.
    request = Column(String(32), nullable=False)
    caller = Column(String(64))
    status = Column(Integer)
    # Encrypted, since not every reader of the table may read the answer. It never has a secret.
    encrypted_answer = Column(Text().with_variant(LONGTEXT(), "mysql"), info=db.SECRET)
    # The answer's length in characters; null if it is not stored.
    size = Column(Integer)
    created_at = Column(UtcDateTime, nullable=False, default=db.now, index=True)

    # For the sum of a caller's stored answers.
    __table_args__ = (Index(None, caller, size),)


class StoredAnswer(NamedTuple):
    """The answer to the first request.

    Attributes:
        status: the HTTP status.
        dumped: the body, ready for JSON.
        version: the object's version for the ``ETag``, if it has one.
    """

    status: int
    dumped: Any
    version: int | None = None


@dataclass(frozen=True)
class KeyClaim:
    """A request's claim on its key.

    Attributes:
        id: the id of the key's row.
        caller: a digest of the caller.
        stored: the answer to an earlier request; None if there was no such request.
    """

    id: str
    caller: str
    stored: StoredAnswer | None = None

    def store(self, session: Session, answer: StoredAnswer, *, rights: dict[str, Any], secret: bool) -> None:
        """Store the answer for a request that is sent again.

        Args:
            session: the request's transaction.
            answer: the answer.
            rights: the caller's rights, from ``collect_rights``; a later caller must still have them.
            secret: whether the answer has a secret.
        """
        text = json.dumps({"rights": rights, "version": answer.version, "answer": answer.dumped})
        size: int | None = len(text)
        if secret or len(text) > LONGEST or len(text) > MOST_STORED - self._stored_length(session):
            why = _SHOWN_ONCE if secret else _NOT_STORED
            text, size = json.dumps({"withheld": why, "id": _find_id(answer.dumped)}), None
        answered = {"status": int(answer.status), "encrypted_answer": crypto.encrypt(text), "size": size}
        _update(session, IdempotencyKey.id == self.id, **answered)

    def _stored_length(self, session: Session) -> int:
        """Return the length of the caller's other answers, in characters."""
        others = select(func.sum(IdempotencyKey.size)).where(IdempotencyKey.caller == self.caller)
        return int(session.scalar(others) or 0)


def claim_key(session: Session, principal: Principal, scope: str | None = None) -> KeyClaim | None:
    """Claim this request's key, if it has one. Call this first in the transaction, before any query.

    Args:
        session: the request's transaction.
        principal: the caller.
        scope: the endpoint's scope.

    Raises:
        ValidationFailed: the key is not 1 to 255 visible ASCII characters.
        Conflict: the key was used with another body, or its answer is not stored.
        PermissionDenied: the caller has lost rights since the first request.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of(HEADER, message="must be 1 to 255 visible ASCII characters")
    caller = crypto.digest(json.dumps(_identify_caller(principal)))
    claim_id = crypto.digest(json.dumps([caller, request.method, request.path, key]))
    mine = {
        # With the key, which is not stored: a body may have a password, which a bare digest helps to guess.
        "body_digest": hashlib.sha256(key.encode() + b"\n" + request.get_data()).hexdigest(),
        "request": secrets.token_hex(16),
        "caller": caller,
        "created_at": db.now(),
    }
    db.insert_absent(session.connection(), IdempotencyKey.__table__, [{"id": claim_id, **mine}])
    found = session.execute(select(IdempotencyKey.__table__).where(IdempotencyKey.id == claim_id)).one()
    if found.request == mine["request"]:
        return KeyClaim(claim_id, caller)
    if found.created_at < db.now() - RETENTION:
        # Only if the row has not changed: another request may take it over at the same moment.
        as_found = and_(IdempotencyKey.id == claim_id, IdempotencyKey.request == found.request)
        if _update(session, as_found, status=None, encrypted_answer=None, size=None, **mine):
            return KeyClaim(claim_id, caller)
        raise Conflict("Another request is using this Idempotency-Key.", idempotency_key=key)
    if found.body_digest != mine["body_digest"]:
        raise Conflict("This Idempotency-Key was used with another body.", idempotency_key=key)
    document = json.loads(crypto.decrypt(found.encrypted_answer))
    if (why := document.get("withheld")) is not None:
        raise Conflict(
            f"The first request with this Idempotency-Key succeeded with status {found.status}. {why}",
            idempotency_key=key,
            status=found.status,
            id=document["id"],
        )
    _require_rights(principal, scope, document["rights"])
    return KeyClaim(claim_id, caller, StoredAnswer(found.status, document["answer"], document["version"]))


def collect_rights(principal: Principal, scope: str | None, *documents: Json) -> dict[str, Any]:
    """Return the caller's present rights that matter for a request.

    Args:
        principal: the caller.
        scope: the endpoint's scope.
        documents: the request and its answer; they may name DAGs.
    """
    reach = EVERYWHERE if scope is None else principal.reach(scope)
    named = sorted({dag_id for document in documents for dag_id in _dag_ids(document)})
    return {
        "everywhere": reach.everywhere,
        "tenants": sorted(reach.tenant_ids),
        "dags": {dag_id: _rights_on_dag(principal, dag_id) for dag_id in named},
    }


def _require_rights(principal: Principal, scope: str | None, then: dict[str, Any]) -> None:
    """Check that the caller has all rights of the first request.

    Raises:
        PermissionDenied: the caller has lost one.
    """
    now = collect_rights(principal, scope, *({"dag_id": dag_id} for dag_id in then["dags"]))
    before, after = (Reach(frozenset(held["tenants"]), held["everywhere"]) for held in (then, now))
    if not after.covers(before) or any(
        {*may} - {*now["dags"][dag_id]} for dag_id, may in then["dags"].items()
    ):
        raise PermissionDenied(
            "The first request with this Idempotency-Key succeeded. You have lost rights since, so its "
            "answer is not shown again."
        )


def _identify_caller(principal: Principal) -> list[Any]:
    """Return the caller and its kind: a user's session, password, key and token are four callers."""
    account = principal.account
    shown = principal.credential
    how = [request.authorization.type if request.authorization else "session", None]
    if shown is not None:
        how = [shown.reference.partition(":")[0], shown.id]
    return [*how, account.id, account.name, None if account.created_on is None else str(account.created_on)]


def _dag_ids(document: Json) -> Iterator[str]:
    """Yield every ``dag_id`` in a document."""
    if isinstance(document, list):
        for item in document:
            yield from _dag_ids(item)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name == "dag_id" and isinstance(value, str):
                yield value
            else:
                yield from _dag_ids(value)


def _rights_on_dag(principal: Principal, dag_id: str) -> list[str]:
    return [
        f"{method} {part or 'DAG'}"
        for method, part in _ON_DAGS
        if airflow_compat.authorization.is_authorized_dag(principal.user, method, dag_id, part)
    ]


def _find_id(dumped: Json) -> str | None:
    """Return the id of what was created, so that the caller can read it."""
    found = dumped if isinstance(dumped, dict) else {}
    # Its own id rather than that of its owner or its DAG, in whatever order the fields are.
    own = sorted(name for name in found if name.endswith("_id") and name not in _IDS_OF_OTHERS)
    name = next((name for name in ("id", *own, *_IDS_OF_OTHERS) if name in found), None)
    return None if name is None else str(found[name])


def _update(session: Session, where: ColumnElement[bool], **values: SqlValue) -> int:
    return db.execute_bulk(session, update(IdempotencyKey).where(where).values(**values))


def expire() -> int:
    """Delete a batch of old keys and return how many; a step of the worker."""
    with db.transaction() as session:
        old = select(IdempotencyKey.id).where(IdempotencyKey.created_at < db.now() - RETENTION).limit(_BATCH)
        ids = list(session.scalars(old))
        if ids:
            db.execute_bulk(session, delete(IdempotencyKey).where(IdempotencyKey.id.in_(ids)))
    return len(ids)
