"""Which tenant owns a DAG, in each way that ``[platform] dag_ownership`` allows."""

from typing import Any

import pytest
import tenancy
from options import set_options
from sqlalchemy import inspect, select, text

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import dag_ownership, new_events
from airflow_platform_plugin.deployments.models import Deployment

LOADER = "/dags/of_ownership/loader.py"
FOLDER = f"{airflow_compat.config.dags_folder()}/tenants"
# DAGs that nobody's deployment makes: the file, the tags, and the root of a SubDAG.
BY_HAND: dict[str, tuple[str, list[str], str | None]] = {
    "tagged_a": ("/dags/x.py", ["tenant:a", "other"], None),
    "tagged_ab": ("/dags/x.py", ["tenant:ab"], None),
    "tagged_twice": ("/dags/x.py", ["tenant:a", "tenant:b"], None),
    "tagged_long": ("/dags/x.py", ["tenant:a", f"tenant:{'a' * 80}"], None),
    "tagged_a.sub": ("/dags/x.py", [], "tagged_a"),
    "tagged_ghost": ("/dags/x.py", ["tenant:ghost"], None),
    "like_tagged_a": ("/dags/x.py", ["Tenant:a", "tenant:A", "tenant:á"], None),
    "like_tagged_b": ("/dags/x.py", ["tenant:b", "TENANT:a"], None),
    "bare_tag": ("/dags/x.py", ["tenant", "a"], None),
    "file_a": (f"{FOLDER}/a/x.py", [], None),
    "file_a_deep": (f"{FOLDER}/a/b/x.py", [], None),
    "file_ab": (f"{FOLDER}/ab/x.py", [], None),
    "file_case": (f"{FOLDER}/A/x.py", [], None),
    "file_accent": (f"{FOLDER}/á/x.py", [], None),
    "file_long": (f"{FOLDER}/{'a' * 80}/x.py", [], None),
    "file_up": (f"{FOLDER}/a/../b/x.py", [], None),
    "file_of_folder": (f"{FOLDER}/a.py", [], None),
    "file_outside": ("/tenants/a/x.py", [], None),
    "file_in_longer": (f"{FOLDER}s/a/x.py", [], None),
    "file_a.sub": (f"{FOLDER}/a/x.py", [], "file_a"),
    # It has the id of a deployment of tenant a, and is in another tenant's file.
    "imitated": (f"{FOLDER}/b/x.py", ["tenant:b"], None),
    # A deleted tenant's deployment has made it.
    "kit_of_gone": (LOADER, ["tenant:b"], None),
}
TENANTS = ("a", "ab", "b", "ghost")
DEPLOYED = {"kit_of_a": "a", "kit_of_b": "b", "kit_of_platform": None}
MADE = {"kit_of_a": "a", "kit_of_b": "b", "imitated": "a", "not_parsed_yet": "a"}
# What the tenants own as well as their deployments' DAGs.
TAGGED = {
    "tagged_a": "a",
    "tagged_a.sub": "a",
    "tagged_ab": "ab",
    "tagged_ghost": "ghost",
    "like_tagged_b": "b",
}
IN_FOLDERS = {"file_a": "a", "file_a_deep": "a", "file_a.sub": "a", "file_ab": "ab"}


@pytest.fixture
def dags(session: Any) -> list[str]:
    """Store deployments' DAGs, and DAGs that are written by hand."""
    from airflow.models.dag import DagModel, DagTag

    for tenant_id in TENANTS[:3]:
        tenancy.add_tenant(session, tenant_id)
    for dag_id, tenant in DEPLOYED.items():
        # Its file is in a tenant's folder, and it has a tenant's tag: its deployment decides.
        file = f"{FOLDER}/ab/loader.py"
        session.add(DagModel(dag_id=dag_id, fileloc=file))
        session.flush()
        session.add(DagTag(dag_id=dag_id, name="tenant:ab"))
        tenancy.own_dag(session, tenant, dag_id, file)
    tenancy.own_dag(session, "a", "imitated", LOADER)
    tenancy.own_dag(session, "a", "not_parsed_yet", LOADER)
    for dag_id, (file, _, root) in BY_HAND.items():
        session.add(DagModel(dag_id=dag_id, fileloc=file, root_dag_id=root, is_subdag=root is not None))
    session.flush()
    # A tag's key is its name and DAG: MySQL takes tags that differ by case or accents for the same.
    for dag_id, (_, tags, _) in BY_HAND.items():
        unlike = {tag.casefold().replace("á", "a"): tag for tag in reversed(tags)}
        session.add_all(DagTag(dag_id=dag_id, name=tag) for tag in unlike.values())
    session.flush()
    return [*DEPLOYED, "not_parsed_yet", *BY_HAND, "no_dag"]


def _owned(session: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for tenant_id in TENANTS:
        owned = session.scalars(dag_ownership.owned_dag_ids([tenant_id]).selected).all()
        assert len(owned) == len(set(owned))
        assert not found.keys() & set(owned)
        found |= dict.fromkeys(owned, tenant_id)
    return found


@pytest.mark.parametrize(("mode", "more"), [("deployments", {}), ("tags", TAGGED), ("paths", IN_FOLDERS)])
def test_both_questions_have_the_same_answer(
    session: Any, dags: list[str], monkeypatch: pytest.MonkeyPatch, mode: str, more: dict[str, str]
) -> None:
    """Deployments decide first; then exactly one tag with the right case, or the folder, and nothing else."""
    set_options(monkeypatch, dag_ownership=mode)
    expected = MADE | more
    found = dag_ownership.owners(session, dags)
    assert {dag_id: dag_ownership.owner(session, dag_id) for dag_id in dags} == {
        dag_id: found.get(dag_id) for dag_id in dags
    }
    assert all(len(tenant) <= 63 for tenant in found.values())
    # Folders may have names that no tenant has.
    assert {dag_id: tenant for dag_id, tenant in found.items() if tenant in TENANTS} == expected
    assert _owned(session) == expected


@pytest.mark.parametrize("mode", ["deployments", "tags"])
def test_a_listener_finds_the_same_owner(
    session: Any, dags: list[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Only the owner of a SubDAG is left to the delivery."""
    set_options(monkeypatch, dag_ownership=mode)
    connection, found = session.connection(), dag_ownership.owners(session, dags)
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    for dag_id in dags:
        asked = new_events._owner_of_dag(connection.dialect.name, dag_id)
        sql = f"SELECT {asked.sql.replace('{}', mark)}"
        owner = connection.exec_driver_sql(sql, asked.parameters).scalar()
        assert owner == (None if dag_id.endswith(".sub") else found.get(dag_id)), dag_id


@pytest.mark.parametrize("mode", ["deployments", "tags", "paths"])
def test_no_tenant_owns_nothing(
    session: Any, dags: list[str], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """The SELECT without tenants is valid and finds no DAG."""
    set_options(monkeypatch, dag_ownership=mode)
    assert session.scalars(dag_ownership.owned_dag_ids([]).selected).all() == []
    assert dag_ownership.owners(session, []) == {}


def test_a_select_finds_the_dags_of_several_tenants_inside_another_statement(
    session: Any, dags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement on the same tables does not become part of it."""
    from airflow.models.dag import DagModel

    for mode, more in (("deployments", {}), ("tags", TAGGED), ("paths", IN_FOLDERS)):
        set_options(monkeypatch, dag_ownership=mode)
        owned = dag_ownership.owned_dag_ids(["a", "b"])
        rows = select(DagModel.dag_id).where(DagModel.dag_id.in_(owned), DagModel.is_paused.is_not(None))
        expected = {dag_id for dag_id, tenant in (MADE | more).items()}
        expected -= {dag_id for dag_id, tenant in more.items() if tenant not in {"a", "b"}}
        expected.remove("not_parsed_yet")  # Airflow does not know it
        assert set(session.scalars(rows)) == expected


def test_thousands_of_dags_are_looked_up(session: Any, dags: list[str]) -> None:
    """No database refuses so many bound values."""
    many = [f"dag_{number}" for number in range(40_000)]
    assert dag_ownership.owners(session, [*many, "kit_of_a"]) == {"kit_of_a": "a"}


def test_the_platform_makes_the_dags_of_deployments(session: Any, dags: list[str]) -> None:
    assert dag_ownership.made_dag_ids() & set(dags) == {*DEPLOYED, *MADE}


def _plan(session: Any, statement: Any) -> str:
    """Return how the database finds the rows of a statement."""
    dialect = session.get_bind().dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if dialect.name == "sqlite" else "EXPLAIN "
    rows = session.execute(text(explain + str(compiled).replace(":", "\\:").replace("%%", "%")))
    return "\n".join(" ".join(map(str, row)) for row in rows)


def test_the_ids_of_deployments_compare_with_airflows_by_its_index(session: Any) -> None:
    """On MySQL that needs the same character set and collation in both columns."""
    from airflow.models.dag import DagModel

    columns = [
        {column["name"]: column["type"] for column in inspect(session.connection()).get_columns(table)}[
            "dag_id"
        ]
        for table in (Deployment.__tablename__, DagModel.__tablename__)
    ]
    kinds = [(getattr(each, "charset", None), each.collation) for each in columns]
    assert kinds[0] == kinds[1]


@pytest.fixture
def many_dags(session: Any) -> None:
    """Store so many rows that the database prefers an index."""
    from airflow.models.dag import DagModel

    tenancy.add_tenant(session, "a")
    tenancy.own_dag(session, "a", "kit_0", LOADER)
    rows = [
        {"dag_id": f"kit_{number}", "fileloc": LOADER, "max_active_tasks": 1}
        | {"max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False}
        for number in range(3000)
    ]
    session.execute(DagModel.__table__.insert(), rows)
    place = {"revision": 1, "created_by": "tests", "paused": False, "bad_versions": []}
    deployments = [
        {"id": f"dep_{number:016}", "datakit": f"kit-{number}", "environment": "e", "namespace": "n"}
        | {"dag_id": f"kit_{number}", **place}
        for number in range(1, 3000)
    ]
    session.execute(Deployment.__table__.insert(), deployments)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("ANALYZE dag"))
        session.execute(text("ANALYZE platform_deployment"))


def test_no_table_of_dags_is_read_as_a_whole(
    session: Any, many_dags: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One DAG, a page of DAGs, and one tenant's DAGs are found by indexes."""
    from airflow_platform_plugin.core.feature import dag_owners

    page = [f"kit_{number}" for number in range(10)]
    for mode in ("deployments", "tags"):
        set_options(monkeypatch, dag_ownership=mode)
        statements = [dag_owners(["kit_1"]), dag_owners(page)]
        if mode == "deployments":
            statements.append(dag_ownership.owned_dag_ids(["a"]).selected)
        for statement in statements:
            plan = _plan(session, statement)
            for line in plan.splitlines():
                read_whole = (
                    line.startswith(("Seq Scan on dag", "Seq Scan on platform_deployment"))
                    or "SCAN dag" in line
                    or "SCAN platform_deployment" in line
                    or " ALL " in line.replace("platform_loader_file ALL", "")
                )
                assert not read_whole or "platform_loader_file" in line, plan
