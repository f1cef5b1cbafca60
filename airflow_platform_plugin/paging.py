"""Pages of lists."""

from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session


class Page(NamedTuple):
    """One page and how many entries there are in all."""

    items: list[Any]
    total_entries: int


def fetch(session: Session, statement: Any, *, limit: int, offset: int) -> Page:  # noqa: ANN401 - a Select
    """The page of an ordered ``select``."""
    counted = select(func.count()).select_from(statement.order_by(None).subquery())
    items = session.execute(statement.limit(limit).offset(offset)).scalars().all()
    return Page(list(items), int(session.scalar(counted) or 0))
