"""``Idempotency-Key``: a POST that is sent twice does its work once.

The key is claimed in the same transaction as the work. Of two requests at the same moment the second
waits at the claim until the first one's transaction has ended; then it finds the first answer, or, where
the first one failed and left nothing, does the work itself. Failures are not kept: they may be sent again.
(IETF draft-ietf-httpapi-idempotency-key-header.)
"""

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from airflow.utils.sqlalchemy import UtcDateTime
from flask import request
from sqlalchemy import Column, Integer, String, Text, and_, delete, select, update
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.orm import Session

from airflow_platform_plugin import crypto, db
from airflow_platform_plugin.errors import Conflict, ValidationFailed
from airflow_platform_plugin.principal import Principal

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_BATCH = 1000
_UNSYNCHRONIZED = {"synchronize_session": False}


class Claim(db.Base):
    """A key of one caller for one path, and the answer that was given."""

    __tablename__ = "platform_idempotency_key"

    id = Column(String(64), primary_key=True)
    body_digest = Column(String(64), nullable=False)
    # Which request does the work: databases do not agree on how to say whose INSERT went in.
    request = Column(String(32), nullable=False)
    status = Column(Integer)
    # Encrypted, for an answer may hold a secret that is shown once.
    encrypted_answer = Column(Text().with_variant(LONGTEXT(), "mysql"), info=db.SECRET)
    created_at = Column(UtcDateTime, nullable=False, default=db.now, index=True)


class Kept(NamedTuple):
    """The answer that was given the first time."""

    status: int
    dumped: Any


@dataclass(frozen=True)
class Claimed:
    """This request's claim: ``kept`` is the earlier answer, None where the work is to be done."""

    id: str
    kept: Kept | None = None

    def keep(self, session: Session, status: HTTPStatus, dumped: Any) -> None:  # noqa: ANN401 - any JSON
        """Keep the answer for whoever sends the same again."""
        answer = crypto.encrypt(json.dumps(dumped))
        _update(session, Claim.id == self.id, status=int(status), encrypted_answer=answer)


def claim(session: Session, principal: Principal) -> Claimed | None:
    """Claim this request's key, if it has one. The transaction must not have read anything before.

    Raises:
        ValidationFailed: the key is not 1 to 255 visible ASCII characters.
        Conflict: the key was used with another body.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise ValidationFailed.of(HEADER, message="must be 1 to 255 visible ASCII characters")
    caller = principal.credential.id if principal.credential else principal.username
    claim_id = crypto.digest(json.dumps([caller, request.method, request.path, key]))
    mine = {
        # With the key, which is not stored: a body may hold a password, which its digest must not give away.
        "body_digest": hashlib.sha256(key.encode() + b"\n" + request.get_data()).hexdigest(),
        "request": secrets.token_hex(16),
        "created_at": db.now(),
    }
    db.insert_absent(session.connection(), Claim.__table__, [{"id": claim_id, **mine}])
    found = session.execute(select(Claim.__table__).where(Claim.id == claim_id)).one()
    if found.request == mine["request"]:
        return Claimed(claim_id)
    if found.created_at < db.now() - KEPT:
        # Taken over only as it was found: of two at the same moment the second finds another request there.
        as_found = and_(Claim.id == claim_id, Claim.request == found.request)
        if _update(session, as_found, status=None, encrypted_answer=None, **mine):
            return Claimed(claim_id)
        raise Conflict("Another request is using this Idempotency-Key.", idempotency_key=key)
    if found.body_digest != mine["body_digest"]:
        raise Conflict("This Idempotency-Key was used with another body.", idempotency_key=key)
    return Claimed(claim_id, Kept(found.status, json.loads(crypto.decrypt(found.encrypted_answer))))


def _update(session: Session, where: Any, **values: Any) -> int:  # noqa: ANN401 - a condition; columns
    done = session.execute(update(Claim).where(where).values(**values), execution_options=_UNSYNCHRONIZED)
    return int(done.rowcount)


def expire() -> int:
    """Forget a batch of keys past their time; a step of the worker."""
    with db.transaction() as session:
        old = select(Claim.id).where(Claim.created_at < db.now() - KEPT).limit(_BATCH)
        ids = list(session.scalars(old))
        if ids:
            session.execute(delete(Claim).where(Claim.id.in_(ids)), execution_options=_UNSYNCHRONIZED)
    return len(ids)
