"""How far steps have come, and moments that are written down once."""

from datetime import datetime, timezone

from sqlalchemy import BigInteger, Column, String
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import db


class Cursor(db.Base):
    """How far a step has read a table that only grows, or a moment in seconds since 1970."""

    __tablename__ = "platform_cursor"

    name = Column(String(64), primary_key=True)
    position = Column(BigInteger, nullable=False)


def moment(session: Session, name: str) -> datetime | None:
    """The moment that is written down under that name, if one is."""
    cursor = session.get(Cursor, name)
    return None if cursor is None else datetime.fromtimestamp(int(cursor.position), tz=timezone.utc)


def write_down(session: Session, name: str, when: datetime) -> None:
    """Write a moment down, in place of the one that is there."""
    session.merge(Cursor(name=name, position=int(when.timestamp())))
    session.flush()
