"""Two tenants with a DAG each, and people with roles in them, for tests of what each may see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tenancy
from forms import log_in
from sqlalchemy import delete, select
from stock_data import HIDDEN, MINE, RUN, TASK, URI, removed_afterwards, store_dags
from stock_data import path as file_of

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import service as keys
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name, tenant_tag
from airflow_platform_plugin.core.reach import EVERYWHERE
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.inputs import NewTenant
from airflow_platform_plugin.tenants.models import Tenant

OURS, THEIRS, EMPTY = "our-team", "their-team", "empty-team"
OWNERS = {MINE: OURS, HIDDEN: THEIRS}
SECRET_RUN = "run-nobody-else-knows"
# The finished and the unfinished run of each DAG.
RUNS = {MINE: (RUN, "run-2"), HIDDEN: (RUN, SECRET_RUN)}
SECRET_LINK = "https://owner-of-theirs.example"
# What no answer to a caller of another tenant may contain.
SECRETS = (HIDDEN, SECRET_RUN, SECRET_LINK, THEIRS, '"theirs"')

# Permissions that an operator may give to a tenant's people in addition; none of them is for all DAGs.
BROWSING = frozenset(
    ("can_read", name)
    for name in (
        "Audit Logs",
        "Cluster Activity",
        "DAG Dependencies",
        "Datasets",
        "Jobs",
        "Pools",
        "SLA Misses",
        "Task Reschedules",
        "Triggers",
    )
)
BROWSING_ROLE = "Browsing"

# By user, the roles: of tenants, or others by name.
PEOPLE: dict[str, list[tuple[str, TenantRole] | str]] = {
    "ann-admin": [(OURS, TenantRole.ADMIN)],
    "max-member": [(OURS, TenantRole.MEMBER)],
    "vera-viewer": [(OURS, TenantRole.VIEWER)],
    "bea-browser": [(OURS, TenantRole.MEMBER), BROWSING_ROLE],
    "mia-mixed": [(OURS, TenantRole.ADMIN), (THEIRS, TenantRole.VIEWER)],
    "eve-empty": [(EMPTY, TenantRole.MEMBER), BROWSING_ROLE],
    "noa-nobody": [],
    "vic-viewer": ["Viewer"],
    "oli-op": ["Op"],
    "pat-platform": ["Admin"],
}

Request = Callable[..., SimpleNamespace]


@contextmanager
def tenants_and_people(app: Any) -> Iterator[dict[str, Request]]:
    """Create the tenants and the people, and yield a logged-in browser for each of them, by name."""
    with db.transaction() as session:
        for tenant_id in (OURS, THEIRS, EMPTY):
            admin: Any = SimpleNamespace(username="admin", reach=lambda _scope: EVERYWHERE)
            service.create(session, NewTenant(tenant_id=tenant_id), by=admin)
        tenancy.grant(session, BROWSING_ROLE, BROWSING)
    ids = {name: _add_person(app, name, roles) for name, roles in PEOPLE.items()}
    try:
        with removed_afterwards(app):
            yield {name: _browser(app, name) for name in PEOPLE}
    finally:
        _remove(app, ids)


def _add_person(app: Any, name: str, roles: list[tuple[str, TenantRole] | str]) -> int:
    manager = app.appbuilder.sm
    names = [role if isinstance(role, str) else tenant_role_name(*role) for role in roles]
    with app.app_context():
        found = [manager.find_role(each) for each in names]
        assert all(found), names
        # FAB gives a user without roles the role for new users.
        user = manager.add_user(
            name, name, "T", f"{name}@example.com", found or manager.find_role("Public"), name
        )
        user_id = int(user.id)
        if not found:
            user.roles = []
            manager.get_session.commit()
    return user_id


def _remove(app: Any, ids: dict[str, int]) -> None:
    manager = app.appbuilder.sm
    with db.transaction() as session:
        session.execute(delete(ApiKey))
    with app.app_context():
        for user_id in ids.values():
            manager.get_session.delete(manager.get_user_by_id(user_id))
        manager.get_session.commit()
        manager.delete_role(BROWSING_ROLE)
    with db.transaction() as session:
        session.execute(delete(Deployment))
        session.execute(delete(LoaderFile))
        for tenant_id in (OURS, THEIRS, EMPTY):
            service.delete(session, session.get(Tenant, tenant_id), cascade=False)


def _browser(app: Any, name: str) -> Request:
    client = log_in(app, name)

    def request(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
        return _answer(client.open(path, method=method, **kwargs))

    return request


def tenant_key(app: Any, user_id: int) -> Request:
    """Return a caller with a platform admin's key that is limited to the first tenant."""
    with db.transaction() as session:
        _, key = keys.issue(session, name="k", user_id=user_id, tenant_id=OURS)

    def request(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
        headers = {"X-API-Key": key} | kwargs.pop("headers", {})
        return _answer(app.test_client().open(path, method=method, headers=headers, **kwargs))

    return request


def _answer(answer: Any) -> SimpleNamespace:
    return SimpleNamespace(
        status=answer.status_code,
        json=answer.get_json(silent=True),
        text=answer.get_data(as_text=True),
        location=answer.headers.get("Location", ""),
    )


def deploy_dag(app: Any, dag_id: str) -> None:
    """Store the DAG of a tenant with a row in every table that Airflow's pages read."""
    store_dags(app, {dag_id: HIDDEN if dag_id == MINE else MINE})
    _own(dag_id)
    from airflow.utils.session import create_session

    with app.app_context(), create_session() as session:
        for row in _more_rows(session, app, dag_id):
            session.add(row)
    _write_log(dag_id)


def _own(dag_id: str) -> None:
    """Let the tenant own the DAG, as if it had deployed it."""
    tenant_id = OWNERS[dag_id]
    with db.transaction() as session:
        session.add(airflow_compat.models.DagTag(name=tenant_tag(tenant_id), dag_id=dag_id))
        tenancy.own_dag(session, tenant_id, dag_id, str(file_of(dag_id)))


def _more_rows(session: Any, app: Any, dag_id: str) -> Iterator[Any]:
    """Yield rows that name no DAG, or that only some pages read."""
    import pendulum
    from airflow.jobs.job import Job
    from airflow.models import Trigger
    from airflow.models.dag import DagOwnerAttributes
    from airflow.models.dataset import DagScheduleDatasetAliasReference, DatasetAliasModel
    from airflow.models.slamiss import SlaMiss
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    moment, theirs = pendulum.datetime(2024, 3, 2), dag_id == HIDDEN
    app.dag_bag.get_dag(dag_id).create_dagrun(
        run_type=DagRunType.MANUAL,
        run_id=RUNS[dag_id][1],
        execution_date=moment,
        data_interval=(moment, moment),
        start_date=moment,
        state=DagRunState.RUNNING,
        external_trigger=True,
        session=session,
    )
    instance_model = airflow_compat.models.TaskInstance
    by_task = {
        instance.task_id: instance
        for instance in session.scalars(select(instance_model).filter_by(dag_id=dag_id, run_id=RUN))
    }
    instances = session.query(instance_model).filter_by(dag_id=dag_id).order_by("run_id", "task_id")
    for number, instance in enumerate(instances):
        instance.state = instance.state or "running"
        instance.job_id = number  # which orders the list of task instances
    trigger = Trigger(f"triggers.Of_{dag_id}", {}, moment)
    session.add(trigger)
    session.flush()
    by_task["marker"].trigger_id = trigger.id
    by_task[TASK].note = f"note of {dag_id}"
    by_task[TASK].dag_run.note = f"note on the run of {dag_id}"
    by_task[TASK].start_date = by_task[TASK].end_date = moment
    if dag_id == MINE:
        yield Job(hostname="host-of-scheduler", state="running")
    dataset = session.scalars(select(airflow_compat.models.DatasetModel).filter_by(uri=URI)).one()
    alias = DatasetAliasModel(name=f"alias of {dag_id}", datasets=[dataset])
    alias.consuming_dags.append(DagScheduleDatasetAliasReference(dag_id=dag_id))
    yield alias
    yield DagOwnerAttributes(
        dag_id=dag_id, owner="airflow", link=SECRET_LINK if theirs else "https://ours.example"
    )
    yield SlaMiss(
        task_id=TASK, dag_id=dag_id, execution_date=moment, description=f"late: {dag_id}", timestamp=moment
    )
    yield TaskReschedule(TASK, dag_id, RUN, 1, moment, moment, moment)
    yield Job(dag_id=dag_id, hostname=f"host-of-{dag_id}", state="running")


def _write_log(dag_id: str) -> None:
    """Write the log of the finished run's task."""
    from airflow.configuration import conf

    folder = Path(conf.get("logging", "base_log_folder")) / f"dag_id={dag_id}"
    file = folder / f"run_id={RUN}" / f"task_id={TASK}" / "attempt=1.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"line of {dag_id}\n", encoding="utf-8")
