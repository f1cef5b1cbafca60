"""Pages of lists, in an order that is the same on every database and from page to page."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, inspect, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.sql import ColumnElement, Select


class Page(NamedTuple):
    """One page, and the number of entries on all pages."""

    items: list[Any]
    total_entries: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which page of a list; a feature's list adds its filters in a subclass.

    Attributes:
        limit: the maximum number of rows.
        offset: how many rows to skip.
        order_by: a column, or ``-column`` for descending order; None for the list's usual order.
    """

    limit: int = 100
    offset: int = 0
    order_by: str | None = None


def fetch(session: Session, statement: Select, query: Query) -> Page:
    """Return a page of a ``select`` of one model's rows.

    Args:
        session: the request's transaction.
        statement: the rows; its own order is the list's usual one.
        query: which page.
    """
    counted = select(func.count()).select_from(statement.order_by(None).subquery())
    items = (
        session.execute(ordered(statement, query.order_by).limit(query.limit).offset(query.offset))
        .scalars()
        .all()
    )
    return Page(list(items), int(session.scalar(counted) or 0))


def containing(text: str, *columns: ColumnElement) -> ColumnElement:
    """Return the condition that a column contains the text, ignoring case; ``%`` and ``_`` are literal."""
    pattern = func.lower("%" + re.sub(r"([\\%_])", r"\\\1", text) + "%")
    return or_(*(func.lower(column).like(pattern, escape="\\") for column in columns))


def ordered(statement: Select, order_by: str | None) -> Select:
    """Return the ``select``, ordered by a column, ``-column`` descending, or as it is; ties by primary key.

    Rows without a value come last in both directions, because databases sort NULL differently.
    """
    model = statement.column_descriptions[0]["entity"]
    if order_by is not None:
        column = getattr(model, order_by.removeprefix("-"))
        direction = column.desc() if order_by.startswith("-") else column.asc()
        statement = statement.order_by(None).order_by(column.is_(None), direction)
    return statement.order_by(*inspect(model).primary_key)
