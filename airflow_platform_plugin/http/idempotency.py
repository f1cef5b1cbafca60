"""``Idempotency-Key``: a POST that is sent twice does its work once.

The key is claimed in the same transaction as the work. Of two requests at the same moment the second
waits at the claim until the first one's transaction has ended; then it finds the first answer, or, where
the first one failed and left nothing, does the work itself. Failures are not kept: they may be sent again.

A key is its caller's: the credential and the user together, for several users have one OAuth client. The
answer is given again to whoever still has the rights of then. One with a secret in it is not, nor one that
is too long to keep: that the first request succeeded is all that is known of it then.
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
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.core.types import Json, SqlValue

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BATCH = 1000
# Characters of one answer, as JSON, and of all that one caller has within KEPT.
LONGEST = 1_048_576
MOST_KEPT = 16 * LONGEST
_SHOWN_ONCE = (
    "Its answer had a secret, which is shown once: read what was made, and rotate the secret or make another."
)
_LENGTH = "Its answer is too long to be kept, or too many others are: read what was made."
_IDS = ("id", "client_id", "webhook_id", "connection_id", "deployment_id", "backfill_id", "tenant_id")
_ON_DAGS = (("GET", None), ("POST", "RUN"), ("PUT", "RUN"), ("PUT", "TASK_INSTANCE"))


class Claim(db.Base):
    """A key of one caller for one path, and the answer that was given."""

    __tablename__ = "platform_idempotency_key"

    id = Column(String(64), primary_key=True)
    body_digest = Column(String(64), nullable=False)
    # Which request does the work: databases do not agree on how to say whose INSERT went in.
    request = Column(String(32), nullable=False)
    caller = Column(String(64))
    status = Column(Integer)
    # Encrypted, for an answer may hold what not every reader of the table may know; never a secret.
    encrypted_answer = Column(Text().with_variant(LONGTEXT(), "mysql"), info=db.SECRET)
    # Of the answer, in characters; null where it is not kept.
    size = Column(Integer)
    created_at = Column(UtcDateTime, nullable=False, default=db.now, index=True)

    # What a caller keeps is added up from this alone.
    __table_args__ = (Index(None, caller, size),)


class Kept(NamedTuple):
    """The answer that was given the first time: the object's version is what its ``ETag`` says."""

    status: int
    dumped: Any
    version: int | None = None


@dataclass(frozen=True)
class Claimed:
    """This request's claim: ``kept`` is the earlier answer, None where the work is to be done."""

    id: str
    caller: str
    kept: Kept | None = None

    def keep(self, session: Session, answer: Kept, *, rights: dict[str, Any], secret: bool) -> None:
        """Keep the answer for whoever sends the same again.

        Args:
            session: the request's transaction.
            answer: what the caller is answered.
            rights: those that it took, from ``rights``; whoever asks again needs them still.
            secret: whether there is a secret in it.
        """
        text = json.dumps({"rights": rights, "version": answer.version, "answer": answer.dumped})
        size: int | None = len(text)
        if secret or len(text) > LONGEST or len(text) > MOST_KEPT - self._kept(session):
            why = _SHOWN_ONCE if secret else _LENGTH
            text, size = json.dumps({"withheld": why, "id": _id(answer.dumped)}), None
        answered = {"status": int(answer.status), "encrypted_answer": crypto.encrypt(text), "size": size}
        _update(session, Claim.id == self.id, **answered)

    def _kept(self, session: Session) -> int:
        """Characters that the caller's other answers take."""
        others = select(func.sum(Claim.size)).where(Claim.caller == self.caller)
        return int(session.scalar(others) or 0)


def claim(session: Session, principal: Principal, scope: str | None = None) -> Claimed | None:
    """Claim this request's key, if it has one. The transaction must not have read anything before.

    Args:
        session: the request's transaction.
        principal: the caller.
        scope: what the endpoint needs.

    Raises:
        ValidationFailed: the key is not 1 to 255 visible ASCII characters.
        Conflict: the key was used with another body, or with this one, and its answer is not given again.
        PermissionDenied: the caller has no longer the rights that the first request took.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of(HEADER, message="must be 1 to 255 visible ASCII characters")
    caller = crypto.digest(json.dumps(_caller(principal)))
    claim_id = crypto.digest(json.dumps([caller, request.method, request.path, key]))
    mine = {
        # With the key, which is not stored: a body may hold a password, which its digest must not give away.
        "body_digest": hashlib.sha256(key.encode() + b"\n" + request.get_data()).hexdigest(),
        "request": secrets.token_hex(16),
        "caller": caller,
        "created_at": db.now(),
    }
    db.insert_absent(session.connection(), Claim.__table__, [{"id": claim_id, **mine}])
    found = session.execute(select(Claim.__table__).where(Claim.id == claim_id)).one()
    if found.request == mine["request"]:
        return Claimed(claim_id, caller)
    if found.created_at < db.now() - KEPT:
        # Taken over only as it was found: of two at the same moment the second finds another request there.
        as_found = and_(Claim.id == claim_id, Claim.request == found.request)
        if _update(session, as_found, status=None, encrypted_answer=None, size=None, **mine):
            return Claimed(claim_id, caller)
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
    _require_still(principal, scope, document["rights"])
    return Claimed(claim_id, caller, Kept(found.status, document["answer"], document["version"]))


def rights(principal: Principal, scope: str | None, *documents: Json) -> dict[str, Any]:
    """What the caller may now, so far as it bears upon a request.

    Args:
        principal: the caller.
        scope: what the endpoint needs.
        documents: the request and its answer, for the DAGs that they name.
    """
    reach = EVERYWHERE if scope is None else principal.reach(scope)
    named = sorted({dag_id for document in documents for dag_id in _dag_ids(document)})
    return {
        "everywhere": reach.everywhere,
        "tenants": sorted(reach.tenant_ids),
        "dags": {dag_id: _may(principal, dag_id) for dag_id in named},
    }


def _require_still(principal: Principal, scope: str | None, then: dict[str, Any]) -> None:
    """Refuse whoever has lost a right since."""
    now = rights(principal, scope, *({"dag_id": dag_id} for dag_id in then["dags"]))
    everywhere = now["everywhere"] or (not then["everywhere"] and {*then["tenants"]} <= {*now["tenants"]})
    if not everywhere or any({*may} - {*now["dags"][dag_id]} for dag_id, may in then["dags"].items()):
        raise PermissionDenied(
            "The first request with this Idempotency-Key succeeded. You have lost rights since, so its "
            "answer is not given again."
        )


def _caller(principal: Principal) -> list[Any]:
    """Who calls, and how: a session, a password, a key and a token of one user are four callers."""
    account = principal.account
    shown = principal.credential
    how = [request.authorization.type if request.authorization else "session", None]
    if shown is not None:
        how = [shown.reference.partition(":")[0], shown.id]
    return [*how, account.id, account.name, None if account.created_on is None else str(account.created_on)]


def _dag_ids(document: Json) -> Iterator[str]:
    """Every ``dag_id`` in a document."""
    if isinstance(document, list):
        for item in document:
            yield from _dag_ids(item)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name == "dag_id" and isinstance(value, str):
                yield value
            else:
                yield from _dag_ids(value)


def _may(principal: Principal, dag_id: str) -> list[str]:
    return [
        f"{method} {part or 'DAG'}"
        for method, part in _ON_DAGS
        if airflow_compat.authorization.is_authorized_dag(principal.user, method, dag_id, part)
    ]


def _id(dumped: Json) -> str | None:
    """The id of what was made, for whoever wants to look at it."""
    found = dumped if isinstance(dumped, dict) else {}
    return next((str(found[name]) for name in _IDS if name in found), None)


def _update(session: Session, where: ColumnElement[bool], **values: SqlValue) -> int:
    return db.execute_bulk(session, update(Claim).where(where).values(**values))


def expire() -> int:
    """Forget a batch of keys past their time; a step of the worker."""
    with db.transaction() as session:
        old = select(Claim.id).where(Claim.created_at < db.now() - KEPT).limit(_BATCH)
        ids = list(session.scalars(old))
        if ids:
            db.execute_bulk(session, delete(Claim).where(Claim.id.in_(ids)))
    return len(ids)
