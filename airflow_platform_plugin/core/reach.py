"""What a caller reaches: ``Reach`` for tenants, ``DagReach`` for DAGs. Pure."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import true
from sqlalchemy.sql.elements import ColumnElement


@dataclass(frozen=True)
class Reach:
    """Where a caller holds a scope. The default is nowhere.

    Attributes:
        tenant_ids: the tenants in which the caller holds the scope.
        everywhere: whether the caller holds it in all tenants, and for what belongs to no tenant.
    """

    tenant_ids: frozenset[str] = frozenset()
    everywhere: bool = False

    def __bool__(self) -> bool:
        """Return whether the caller holds the scope anywhere."""
        return self.everywhere or bool(self.tenant_ids)

    def allows(self, tenant_id: str | None) -> bool:
        """Return whether the caller holds the scope for what belongs to that tenant; None for no tenant."""
        return self.everywhere or tenant_id in self.tenant_ids

    def where(self, tenant_id: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the SQL condition on a column of tenant ids that selects the caller's rows."""
        condition: ColumnElement[bool] = true() if self.everywhere else tenant_id.in_(sorted(self.tenant_ids))
        return condition

    def within(self, tenant_id: str) -> "Reach":
        """Return the part of this reach that lies in one tenant."""
        return Reach(frozenset({tenant_id})) if self.allows(tenant_id) else NOWHERE

    def covers(self, other: "Reach") -> bool:
        """Return whether this reach allows all that ``other`` allows."""
        return self.everywhere or (not other.everywhere and other.tenant_ids <= self.tenant_ids)


@dataclass(frozen=True)
class DagReach:
    """The DAGs that a caller reaches. The default is no DAG.

    Attributes:
        dag_ids: the DAGs; a ``DagIds`` is used as SQL.
        everywhere: whether the caller reaches all DAGs, also deleted ones.
    """

    dag_ids: AbstractSet[str] = frozenset()
    everywhere: bool = False

    def where(self, dag_id: ColumnElement[str]) -> ColumnElement[bool]:
        """Return the SQL condition on a column of DAG ids that selects the caller's rows."""
        if self.everywhere:
            return true()
        dag_ids = self.dag_ids if hasattr(self.dag_ids, "__clause_element__") else sorted(self.dag_ids)
        condition: ColumnElement[bool] = dag_id.in_(dag_ids)
        return condition


EVERYWHERE = Reach(everywhere=True)
NOWHERE = Reach()
