"""The worker keeps deployments able to run, and ends the runs of deleted ones."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.models.pool import Pool
from sqlalchemy import delete, select, update

from airflow_platform_plugin import doctor, worker
from airflow_platform_plugin.airflow_compat.models import DagModel, DagRun, TaskInstance
from airflow_platform_plugin.core import db
from airflow_platform_plugin.deployments import maintenance, status
from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile

URL = "/api/v1/datakits"
TENANT = "/api/v1/platform/tenants/analytics-team"
POOL = "tenant-analytics-team"
Call = Callable[..., Any]


@pytest.fixture
def run(session: Any) -> Callable[..., DagRun]:
    """Create a run of a deployment as the scheduler does, with its task in a state."""
    count = iter(range(1, 100))

    def make(dag_id: str, run_state: str = "running", *, task_state: str | None = "scheduled") -> DagRun:
        dag = loader.load("f")[dag_id]
        row = DagRun(dag_id=dag_id, run_id=f"r{next(count)}", run_type="manual", state=run_state)
        row.execution_date = row.start_date = db.now()
        session.add(row)
        session.flush()
        task = TaskInstance(dag.get_task("run"), run_id=row.run_id, state=task_state)
        task.dag_id = dag_id
        session.add(task)
        session.flush()
        return row

    return make


def slots(session: Any) -> list[int]:
    return list(session.scalars(select(TaskInstance.pool_slots).order_by(TaskInstance.run_id)))


def pools(session: Any) -> dict[str, int]:
    return dict(session.execute(select(Pool.pool, Pool.slots).where(Pool.pool.like("tenant-%"))).all())


def current(session: Any, made: dict[str, Any]) -> status.Status:
    return status.compute(session, session.get(Deployment, made["id"]))


def found(name: str) -> tuple[bool, str]:
    (one,) = (finding for finding in doctor.examine() if finding.name == name)
    return one.ok, one.message


def activate(session: Any, made: dict[str, Any]) -> None:
    """Store what Airflow stores when it has parsed the deployment."""
    dags = loader.load("f")
    from airflow.models.dagbag import DagBag

    DagBag._sync_to_db(dags, session=session)
    session.execute(update(Deployment).values(loaded_at=db.now().replace(year=2000)))
    session.expire_all()
    assert current(session, made).status == "active"


DAMAGE = {
    "gone": delete(Pool).where(Pool.pool == POOL),
    "small": update(Pool).where(Pool.pool == POOL).values(slots=1),
    "lets deferred tasks go": update(Pool).where(Pool.pool == POOL).values(include_deferred=False),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_deleted_or_changed_pool_is_restored(deploy: Call, session: Any, damage: Any) -> None:
    """The next deploy and the worker restore it; until then, status and doctor report it."""
    made = deploy().json
    activate(session, made)
    assert current(session, made).message is None
    assert found("tenant-pools")[0] is True
    for mend in (maintenance.maintain, lambda: deploy(dry_run=False)):
        session.execute(damage.execution_options(synchronize_session=False))
        seen = current(session, made)
        assert (seen.status, POOL in str(seen.message)) == ("active", True)
        ok, message = found("tenant-pools")
        assert (ok, "analytics-team" in message) == (False, True)
        mend()
        session.expire_all()
        assert pools(session)[POOL] == 1000
        activate(session, made)
        assert current(session, made).message is None
    assert maintenance.maintain() == 0


def test_an_error_for_one_tenant_does_not_affect_the_others(
    deploy: Call, call: Call, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy()
    call("POST", "/api/v1/platform/tenants", json={"tenant_id": "a"})
    session.execute(
        delete(Pool).where(Pool.pool.like("tenant-%")).execution_options(synchronize_session=False)
    )
    whole = maintenance.quota.ensure_pool

    def keep(own: Any, tenant_id: str) -> None:
        if tenant_id == "a":
            raise RuntimeError("broken")
        whole(own, tenant_id)

    monkeypatch.setattr(maintenance.quota, "ensure_pool", keep)
    assert maintenance.maintain() == 1
    assert set(pools(session)) == {POOL}


def test_waiting_tasks_follow_the_limits_of_the_tenant(
    deploy: Call, call: Call, session: Any, run: Callable[..., DagRun]
) -> None:
    """Airflow stores the slots of a task at its creation, so it would wait forever after a change."""
    made = deploy().json
    activate(session, made)
    for state in ("scheduled", None, "up_for_retry", "running", "success"):
        run(made["dag_id"], task_state=state)
    assert slots(session) == [500] * 5

    assert call("PATCH", TENANT, json={"resource_limits": {"cpu": "1"}}).status == 200
    assert slots(session) == [2000, 2000, 2000, 500, 500], "running and finished tasks keep their slots"
    seen = current(session, made)
    assert "more than the tenant's limits" in str(seen.message)
    assert found("tenant-pools")[0] is False
    assert maintenance.maintain() == 0, "the slots are correct: the task needs more than the limit"

    assert call("PATCH", TENANT, json={"resource_limits": {"cpu": "8"}}).status == 200
    assert slots(session) == [250, 250, 250, 500, 500]
    assert current(session, made).message is None


def test_the_worker_repairs_tasks_created_between_a_change_and_the_next_parsing(
    deploy: Call, session: Any, run: Callable[..., DagRun]
) -> None:
    """The scheduler creates task instances from the DAG that it has, which may have the old limits."""
    made = deploy().json
    run(made["dag_id"])
    session.execute(update(TaskInstance).values(pool_slots=2000).execution_options(synchronize_session=False))
    assert maintenance.maintain() == 1
    assert slots(session) == [500]
    assert maintenance.maintain() == 0


def test_a_deploy_with_other_requirements_applies_to_waiting_tasks(
    deploy: Call, call: Call, session: Any, manifest: dict[str, Any], run: Callable[..., DagRun]
) -> None:
    made = deploy().json
    run(made["dag_id"])
    call("POST", URL, json=manifest | {"version": "1.3.0", "requirements": {"cpu": "1"}})
    assert deploy().json["version"] == "1.3.0"
    assert slots(session) == [250]


def states(session: Any) -> list[tuple[str, str]]:
    rows = session.execute(
        select(DagRun.state, TaskInstance.state)
        .join(TaskInstance, (TaskInstance.dag_id == DagRun.dag_id) & (TaskInstance.run_id == DagRun.run_id))
        .order_by(DagRun.run_id)
    )
    return [(str(a), str(b)) for a, b in rows]


@pytest.mark.parametrize("how", ["retire", "delete"])
def test_a_retired_or_deleted_deployment_leaves_no_unfinished_run(
    deploy: Call, call: Call, session: Any, run: Callable[..., DagRun], how: str
) -> None:
    """No scheduler ends the runs of a DAG that does not exist."""
    made, other = deploy().json, deploy(environment="staging").json
    activate(session, made)
    for run_state, task_state in (
        ("running", "running"),
        ("running", "deferred"),
        ("running", "scheduled"),
        ("queued", None),
        ("success", "success"),
        ("failed", "failed"),
    ):
        run(made["dag_id"], run_state, task_state=task_state)
    noted = session.scalars(select(DagRun).where(DagRun.run_id == "r2")).one()
    noted.note = "mine"
    session.flush()
    run(other["dag_id"])
    if how == "retire":
        assert call("POST", f"{URL}/deployments/{made['id']}/retire").status == 200
    else:
        assert call("DELETE", f"{TENANT}?cascade=true").status == 204
    session.expire_all()
    assert states(session) == [
        ("failed", "failed"),
        ("failed", "failed"),
        ("failed", "skipped"),
        ("failed", "skipped"),
        ("success", "success"),
        ("failed", "failed"),
        ("running", "scheduled") if how == "retire" else ("failed", "skipped"),
    ]
    rows = list(
        session.scalars(select(DagRun).where(DagRun.dag_id == made["dag_id"]).order_by(DagRun.run_id))
    )
    assert [row.note for row in rows] == [
        maintenance.GONE,
        "mine",
        maintenance.GONE,
        maintenance.GONE,
        None,
        None,
    ]
    assert all(row.end_date is not None for row in rows[:4])


@pytest.mark.parametrize("how", ["retire", "delete"])
def test_the_worker_ends_a_run_that_was_created_meanwhile(
    deploy: Call, call: Call, session: Any, run: Callable[..., DagRun], how: str
) -> None:
    """Only runs of DAGs of the loader file are ended."""
    made = deploy().json
    activate(session, made)
    session.add(LoaderFile(id="f", fileloc="f"))
    session.execute(update(DagModel).values(fileloc="f"))
    session.add(DagModel(dag_id="foreign", fileloc="other.py", is_active=False))
    session.add(DagRun(dag_id="foreign", run_id="r0", run_type="manual", state="running"))
    session.flush()
    assert maintenance.maintain() == 0
    late = run(made["dag_id"])
    run_id = late.run_id
    if how == "retire":
        call("POST", f"{URL}/deployments/{made['id']}/retire")
    else:
        call("DELETE", f"{TENANT}?cascade=true")
    session.execute(
        update(DagRun.__table__).where(DagRun.__table__.c.run_id == run_id).values(state="queued")
    )
    assert maintenance.maintain() == 1
    session.expire_all()
    left = dict(session.execute(select(DagRun.run_id, DagRun.state)).all())
    assert left == {"r0": "running", run_id: "failed"}
    assert maintenance.maintain() == 0


def test_doctor_names_deployments_without_a_dag(deploy: Call, session: Any) -> None:
    made = deploy().json
    assert found("deployments")[0] is True
    session.execute(update(Deployment).values(import_error="ValueError: schedule"))
    ok, message = found("deployments")
    assert (ok, made["dag_id"] in message, "schedule" in message) == (False, True, True)


def test_the_worker_runs_the_maintenance() -> None:
    assert worker.STEPS["keep-deployments"] is maintenance.maintain
