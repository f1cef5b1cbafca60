"""``DagIds``: the ids of DAGs as a SELECT that is run only if somebody looks at the ids themselves."""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import String, bindparam, select
from sqlalchemy.sql import ColumnElement, Select

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.types import Row

# As many ids as this are cheaper as a list than as a SELECT in each statement that uses them.
_FEW = 100


class DagIds(AbstractSet[str]):
    """The ids of DAGs that a SELECT of one column finds.

    ``column.in_(dag_ids)`` uses the SELECT itself, so its cost does not grow with the ids; a few ids may
    be read once and used as a list. Whatever looks at single ids reads all of them, once. Airflow's own code
    expects a ``set``; this has those of its methods that Airflow uses. It is not a subclass of ``set``,
    because C code would read that one's storage, which would be empty.
    """

    def __init__(
        self, selected: Select, owners: Collection[str] | None = None, reader: Row | None = None
    ) -> None:
        """Take the SELECT, which must not be correlated with the statement around it.

        Args:
            selected: the SELECT.
            owners: the tenants, if it selects exactly the DAGs that they own.
            reader: the user; a few ids are read with the user's connection, and used as a list. None to use
                the SELECT always.
        """
        self.selected = selected
        self.owners = None if owners is None else frozenset(owners)
        self.reader = reader
        self._some: list[str] | None = None  # the first ids: all if they are few, else one more than a few
        self._read: frozenset[str] | None = None

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """Return what the operators of sets give."""
        return set(it)

    def __clause_element__(self) -> Select | ColumnElement:
        """Return what SQLAlchemy puts in place of this object."""
        if self.reader is None or len(few := self._first()) > _FEW:
            return self.selected
        return bindparam(None, few, type_=String(), unique=True, expanding=True)

    def __iter__(self) -> Iterator[str]:
        """Yield the ids; a few are read first, since some code only looks whether there is one."""
        first = self._first()
        yield from first
        if len(first) > _FEW:
            yield from self._all().difference(first)

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, dag_id: object) -> bool:
        return dag_id in self._all()

    def __bool__(self) -> bool:
        """Return whether there is any; this reads a few ids at most."""
        return bool(self._first())

    def __hash__(self) -> int:
        return id(self)

    def intersection(self, *others: Iterable[str]) -> set[str]:
        """Return the ids that are in all of the others too, as ``set.intersection``."""
        return set(self._all()).intersection(*others)

    def union(self, *others: Iterable[str]) -> set[str]:
        """Return the ids and the others, as ``set.union``."""
        return set(self._all()).union(*others)

    def difference(self, *others: Iterable[str]) -> set[str]:
        """Return the ids that are in none of the others, as ``set.difference``."""
        return set(self._all()).difference(*others)

    def copy(self) -> set[str]:
        """Return the ids, as ``set.copy``."""
        return set(self._all())

    def is_known(self, dag_id: str) -> bool:
        """Return whether the id is one of those that have been read. This reads nothing."""
        return dag_id in (self._read or self._some or ())

    def _first(self) -> list[str]:
        if self._some is None:
            self._some = self._fetch(self.selected.limit(_FEW + 1))
            if len(self._some) <= _FEW:
                self._read = frozenset(self._some)
        return self._some

    def _all(self) -> frozenset[str]:
        if self._read is None and len(self._first()) > _FEW:
            self._read = frozenset(self._fetch(self.selected))
        return self._read or frozenset()

    def _fetch(self, selected: Select) -> list[str]:
        with db.connection_of(self.reader) as connection:
            return [dag_id for (dag_id,) in connection.execute(selected)]


def select_within(dag_ids: DagIds, other: DagIds) -> DagIds:
    """Return the ids that are in both."""
    inner = dag_ids.selected.subquery()
    column = inner.c[0]
    return DagIds(select(column).where(column.in_(other.selected)))
