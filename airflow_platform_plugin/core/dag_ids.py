"""``DagIds``: the ids of DAGs as a SELECT that is run only if somebody looks at the ids themselves."""

from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import select
from sqlalchemy.sql import Select

from airflow_platform_plugin.core import db


class DagIds(AbstractSet[str]):
    """The ids of DAGs that a SELECT of one column finds.

    ``column.in_(dag_ids)`` uses the SELECT itself, so its cost does not grow with the ids. Whatever looks at
    single ids reads all of them, once. Airflow's own code expects a ``set``; this has those of its methods
    that Airflow uses. It is not a subclass of ``set``, because C code would read that one's storage, which
    would be empty.
    """

    def __init__(self, selected: Select, owners: Collection[str] | None = None) -> None:
        """Take the SELECT, which must not be correlated with the statement around it.

        Args:
            selected: the SELECT.
            owners: the tenants, if it selects exactly the DAGs that they own.
        """
        self.selected = selected
        self.owners = None if owners is None else frozenset(owners)
        self._read: frozenset[str] | None = None

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> set[Any]:
        """Return what the operators of sets give."""
        return set(it)

    def __clause_element__(self) -> Select:
        """Return what SQLAlchemy puts in place of this object."""
        return self.selected

    def __iter__(self) -> Iterator[str]:
        """Yield the ids; the first one is read alone, since some code only looks whether there is one."""
        if self._read is not None:
            yield from self._read
        elif (first := self._first()) is not None:
            yield first
            yield from self._all() - {first}

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, dag_id: object) -> bool:
        return dag_id in self._all()

    def __bool__(self) -> bool:
        """Return whether there is any; this reads one id at most."""
        return self._first() is not None if self._read is None else bool(self._read)

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

    def _first(self) -> str | None:
        with db.transaction() as session:
            first: str | None = session.scalars(self.selected.limit(1)).first()
        return first

    def _all(self) -> frozenset[str]:
        if self._read is None:
            with db.transaction() as session:
                self._read = frozenset(session.scalars(self.selected))
        return self._read


def select_within(dag_ids: DagIds, other: DagIds) -> DagIds:
    """Return the ids that are in both."""
    inner = dag_ids.selected.subquery()
    column = inner.c[0]
    return DagIds(select(column).where(column.in_(other.selected)))
