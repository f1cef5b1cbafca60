"""Cursors: how far steps have read, and moments that are stored by name."""

from datetime import datetime, timezone

from sqlalchemy import BigInteger, Column, String
from sqlalchemy.orm import Session

from airflow_platform_plugin.core import db


class Cursor(db.Base):
    """How far a step has read a table that only grows, or a moment in seconds since 1970."""

    __tablename__ = "platform_cursor"

    name = Column(String(64), primary_key=True)
    position = Column(BigInteger, nullable=False)


def get_moment(session: Session, name: str) -> datetime | None:
    """Return the moment stored under that name, if there is one."""
    cursor = session.get(Cursor, name)
    return None if cursor is None else datetime.fromtimestamp(int(cursor.position), tz=timezone.utc)


def set_moment(session: Session, name: str, when: datetime) -> None:
    """Store a moment under that name; it replaces an earlier one."""
    session.merge(Cursor(name=name, position=int(when.timestamp())))
    session.flush()
