"""Airflow's API and pages show no rows of DAGs that the caller may not read."""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import tenancy
from calls import client
from forms import log_in
from sqlalchemy import delete, select
from stock_data import HIDDEN, MINE, RUN, TASK, path, two_dags
from stock_operations import OPERATIONS, send

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.auth import service
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.naming import TenantRole, tenant_role_name
from airflow_platform_plugin.deployments.models import Deployment, LoaderFile
from airflow_platform_plugin.tenants import roles
from airflow_platform_plugin.tenants.models import Tenant

SECRET_RUN = "run-nobody-else-knows"
# What must occur in no answer: the DAG's id, its run's, its tag, the value and the texts in its rows.
SECRETS = (HIDDEN, SECRET_RUN, "theirs", "tenant:others")
# Permissions in addition to a tenant's role. None of them shows all DAGs.
BROWSING = {
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
} | {("can_delete", "XComs"), ("can_delete", "DAG Runs"), ("can_delete", "Task Instances")}

PEOPLE = ["newcomer", "member", "curious-newcomer", "curious-member"]


@pytest.fixture(scope="module", autouse=True)
def _rows(app: Any) -> Iterator[None]:
    """Create two DAGs; the hidden one has a run and a tag that no request names."""
    from airflow.models.dag import DagOwnerAttributes
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType

    with two_dags(app):
        with app.app_context(), create_session() as session:
            import pendulum

            moment = pendulum.datetime(2024, 3, 2)
            app.dag_bag.get_dag(HIDDEN).create_dagrun(
                run_type=DagRunType.MANUAL,
                run_id=SECRET_RUN,
                execution_date=moment,
                data_interval=(moment, moment),
                state=DagRunState.RUNNING,
                external_trigger=True,
                session=session,
            )
            session.add(airflow_compat.models.DagTag(name="tenant:others", dag_id=HIDDEN))
            session.add(DagOwnerAttributes(dag_id=HIDDEN, owner="airflow", link="https://theirs.example"))
        yield


@pytest.fixture(scope="module")
def people(app: Any) -> Iterator[dict[str, int]]:
    """Create members of tenants with and without a DAG; some with more permissions than a tenant gives."""
    manager, ids = app.appbuilder.sm, {}
    with db.transaction() as session:
        for tenant_id in ("team", "new-team"):
            tenancy.add_tenant(session, tenant_id)
        tenancy.own_dag(session, "team", MINE, str(path(MINE)))
        tenancy.grant(session, "curious", BROWSING)
    for name in PEOPLE:
        tenant_id = "team" if name.endswith("member") else "new-team"
        names = [tenant_role_name(tenant_id, TenantRole.MEMBER), *(["curious"] if "curious" in name else [])]
        with app.app_context():
            held = [manager.find_role(each) for each in names]
            ids[name] = manager.add_user(name, name, "T", f"{name}@example.com", held, password=name).id
    yield ids
    with app.app_context():
        for user_id in ids.values():
            manager.get_session.delete(manager.get_user_by_id(user_id))
            manager.get_session.commit()
        manager.delete_role("curious")
    with db.transaction() as session:
        session.execute(delete(Deployment))
        session.execute(delete(LoaderFile))
        for tenant_id in ("team", "new-team"):
            roles.delete(session, tenant_id)
            session.delete(session.get(Tenant, tenant_id))


@pytest.fixture
def with_key_of(app: Any, people: dict[str, int]) -> Iterator[Callable[[str], Any]]:
    """Make requests with a user's key without limits."""

    def make(name: str) -> Any:
        with db.transaction() as session:
            _, key = service.issue(session, name="k", user_id=people[name])
        return client(app, {"X-API-Key": key, "Accept": "application/json"})

    yield make
    with db.transaction() as session:
        session.execute(delete(ApiKey))


@pytest.fixture(scope="module")
def browsers(app: Any, people: dict[str, int]) -> dict[str, Any]:
    """Return a logged-in browser for each user."""
    return {name: log_in(app, name) for name in people}


def find_secrets(text: str) -> list[str]:
    """Return the hidden texts that a response contains."""
    return [word for word in SECRETS if word in text]


LISTS = {
    "POST /api/v1/dags/~/dagRuns/~/taskInstances/list": "task_instances",
    "POST /api/v1/dags/~/dagRuns/list": "dag_runs",
    "GET /api/v1/dags/~/dagRuns": "dag_runs",
    "GET /api/v1/dags/~/dagRuns/~/taskInstances": "task_instances",
    "GET /api/v1/dags/~/dagRuns/~/taskInstances/~/xcomEntries": "xcom_entries",
    "GET /api/v1/dagWarnings": "dag_warnings",
    "GET /api/v1/importErrors": "import_errors",
    "GET /api/v1/eventLogs": "event_logs",
    "GET /api/v1/datasets": "datasets",
    "GET /api/v1/datasets/events": "dataset_events",
}


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize("operation", LISTS)
def test_a_list_and_its_count_have_only_rows_of_the_callers_dags(
    with_key_of: Callable[[str], Any], name: str, operation: str
) -> None:
    method, path = operation.split()
    for body in ({}, {"dag_ids": []}) if method == "POST" else (None,):
        answer = with_key_of(name)(method, path, json=body)
        if answer.status == 403:
            assert not name.startswith("curious")
            continue
        rows = answer.json[LISTS[operation]]
        assert not find_secrets(answer.text)
        assert answer.json["total_entries"] == len(rows)
        assert bool(rows) is name.endswith("member")


@pytest.mark.parametrize("name", PEOPLE)
def test_a_list_of_dags_has_only_the_callers_dags(with_key_of: Callable[[str], Any], name: str) -> None:
    """A user without a DAG gets an empty list. Filters and the search change nothing."""
    for query in ("", "?only_active=false", f"?dag_id_pattern={HIDDEN}", "?tags=theirs", "?limit=1&offset=1"):
        answer = with_key_of(name)("GET", f"/api/v1/dags{query}")
        assert answer.status == 200, query
        assert not find_secrets(answer.text)
        listed = [dag["dag_id"] for dag in answer.json["dags"]]
        own = name.endswith("member") and query in {"", "?only_active=false"}
        assert listed == ([MINE] if own else [])


def test_a_limited_key_without_a_dag_has_an_empty_list(with_key: Callable[..., Any]) -> None:
    for limit in ({"allowed_dags": {"dag_ids": ["none_*"], "tags": []}}, {"tenant_id": "nothing-yet"}):
        answer = with_key(**limit)("GET", "/api/v1/dags")
        assert (answer.status, answer.json) == (200, {"dags": [], "total_entries": 0})


def test_a_user_without_any_right_cannot_list_dags(
    app: Any, people: dict[str, int], with_key_of: Callable[[str], Any]
) -> None:
    """The right to list DAGs gives no other right."""
    from airflow.utils.session import create_session

    request = with_key_of("newcomer")
    for method, url in (("PATCH", "/api/v1/dags?dag_id_pattern=~"), ("GET", f"/api/v1/dags/{HIDDEN}")):
        assert request(method, url, json={"is_paused": True} if method == "PATCH" else None).status == 403
    with create_session() as session:
        user = session.get(type(app.appbuilder.sm.get_user_by_id(people["newcomer"])), people["newcomer"])
        before, user.roles = user.roles, []
    try:
        assert request("GET", "/api/v1/dags").status == 403
    finally:
        with create_session() as session:
            user = session.get(type(user), people["newcomer"])
            user.roles = [session.merge(role) for role in before]


@pytest.mark.parametrize("name", PEOPLE)
def test_a_password_and_a_session_show_no_more_than_a_key(
    app: Any, browsers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With a password, the caller is known only during the request."""
    from airflow.providers.fab.auth_manager.api.auth.backend import basic_auth

    monkeypatch.setattr(app, "api_auth", [*app.api_auth, basic_auth])
    password = b64encode(f"{name}:{name}".encode()).decode()
    program = client(app, {"Authorization": f"Basic {password}"})
    for operation in list(LISTS)[:4]:
        method, path = operation.split()
        body = {} if method == "POST" else None
        by_session = browsers[name].open(path, method=method, json=body).get_data(as_text=True)
        for text in (program(method, path, json=body).text, by_session):
            assert not find_secrets(text)
            assert ('"total_entries": 0' not in text) is name.endswith("member")


@pytest.mark.parametrize("name", PEOPLE)
def test_no_operation_shows_a_hidden_dag(app: Any, with_key_of: Callable[[str], Any], name: str) -> None:
    """Each reading operation is called for all DAGs, the own DAG and the hidden one."""
    request = with_key_of(name)
    for operation in OPERATIONS:
        if operation[0] == "GET" or operation[2].endswith("_batch"):
            for dag_id in ("~", MINE, HIDDEN):
                answer = send(request, app, operation, dag_id)
                assert not find_secrets(answer.text.replace(HIDDEN, "")), operation
                assert HIDDEN not in answer.text or dag_id == HIDDEN, operation
                assert answer.status < 500, operation


@pytest.mark.parametrize("name", PEOPLE)
def test_a_caller_cannot_change_rows_that_the_caller_cannot_read(
    app: Any, with_key_of: Callable[[str], Any], name: str
) -> None:
    before, request = _state(), with_key_of(name)
    for operation in OPERATIONS:
        if operation[0] != "GET" and operation[1].startswith("/api"):
            send(request, app, operation, HIDDEN)
            if "{dag_id}" not in operation[1]:
                send(request, app, operation, "~")
    assert _state() == before


def _state() -> list[Any]:
    """Return the rows of the hidden DAG."""
    from airflow.utils.session import create_session

    run, instance, dag = (
        airflow_compat.models.DagRun,
        airflow_compat.models.TaskInstance,
        airflow_compat.models.DagModel,
    )
    with create_session() as session:
        return [
            session.execute(select(*columns).where(columns[0] == HIDDEN).order_by(*columns)).all()
            for columns in (
                (run.dag_id, run.run_id, run.state, run.clear_number),
                (instance.dag_id, instance.run_id, instance.task_id, instance.state, instance.try_number),
                (dag.dag_id, dag.is_paused),
            )
        ]


def test_a_user_who_may_read_all_dags_sees_all_rows(app: Any, with_key: Callable[..., Any]) -> None:
    """This shows that the tests above check responses that could leak rows."""
    request = with_key()
    for operation, rows in LISTS.items():
        method, path = operation.split()
        answer = request(method, path, json={} if method == "POST" else None)
        assert HIDDEN in answer.text, operation
        assert answer.json["total_entries"] == len(answer.json[rows])


# --- pages ---


def pages(app: Any) -> list[tuple[str, Any]]:
    """Return method and rule of every page of Airflow that takes a path and a query."""
    with app.app_context():
        stock = airflow_compat.web.stock_views()
    return [
        (method, rule)
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods & {"GET", "POST"})
        if rule.endpoint.split(".")[0] in stock
    ]


@pytest.mark.parametrize("name", PEOPLE)
def test_no_page_shows_a_hidden_dag(
    app: Any, browsers: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each page with its data and actions: without a DAG, for the own DAG and for the hidden one."""
    # Stock pages do not expect all of this.
    for setting in ("PROPAGATE_EXCEPTIONS", "WTF_CSRF_ENABLED"):
        monkeypatch.setitem(app.config, setting, value=False)
    browser, run = browsers[name], airflow_compat.models.DagRun
    with db.transaction() as session:
        hidden_run = str(session.scalar(select(run.id).where(run.dag_id == HIDDEN).limit(1)))
    before, seen, shown = _state(), 0, 0
    for dag_id in (None, MINE, HIDDEN):  # the last one last, for a session knows where it has been
        for method, rule in pages(app):
            if "logout" in rule.rule:
                continue
            given = {"query": HIDDEN[:4], "run_id": RUN, "dag_run_id": RUN, "task_id": TASK, "key": "k"}
            given |= {"execution_date": "2024-01-02T00:00:00+00:00", "link_name": "x", "confirmed": "true"}
            given |= {"start_date": "2020-01-01T00:00:00+00:00", "end_date": "2040-01-01T00:00:00+00:00"}
            given |= {"dag_id": dag_id} if dag_id else {}
            values = dict.fromkeys(rule.arguments, hidden_run) | {"dag_id": dag_id or "none"}
            _, path = rule.build({key: values[key] for key in rule.arguments})
            answer = browser.open(
                path,
                method=method,
                query_string={k: v for k, v in given.items() if k not in rule.arguments},
                data={"action": "clear", "rowid": ["1", "2", "3", "4", "5"]} if method == "POST" else None,
            )
            text = answer.get_data(as_text=True) + str(answer.headers)
            assert not find_secrets(text.replace(HIDDEN, "")), (method, path)
            assert HIDDEN not in text or dag_id == HIDDEN, (method, path)
            seen += 1
            shown += answer.status_code == 200 and MINE in text
    assert _state() == before
    assert seen > 200
    assert shown > 5 or "newcomer" in name


@pytest.mark.parametrize("name", PEOPLE)
def test_a_hidden_dag_looks_like_a_dag_that_does_not_exist(browsers: dict[str, Any], name: str) -> None:
    browser = browsers[name]
    for page in ("graph", "grid", "gantt", "code", "details", "calendar", "duration", "trigger"):
        other, none = (browser.get(f"/dags/{dag_id}/{page}") for dag_id in (HIDDEN, "no_such_dag"))
        assert other.status_code == none.status_code
        location = other.headers.get("Location", "").replace(HIDDEN, "no_such_dag")
        assert location == none.headers.get("Location", ""), page


@pytest.mark.parametrize("name", PEOPLE)
def test_members_of_a_tenant_see_the_platform_in_the_menu(browsers: dict[str, Any], name: str) -> None:
    home = browsers[name].get("/home").get_data(as_text=True)
    assert re.search(r'href="/platform/api/"[^>]*>\s*API\s*<', home)


def test_the_callers_own_dag_is_shown_completely(browsers: dict[str, Any]) -> None:
    """Its grid has the run, the list of tags has the tag, and the graph leads to the newest run."""
    browser = browsers["member"]
    grid = browser.get("/object/grid_data", query_string={"dag_id": MINE}).get_data(as_text=True)
    assert RUN in grid
    assert 'value="mine"' in browser.get("/home").get_data(as_text=True)
    assert RUN in browser.get(f"/dags/{MINE}/graph").headers["Location"]
    runs = browser.get("/dagrun/list/").get_data(as_text=True)
    assert MINE in runs


HIDDEN_URI = "s3://lab/nobody-else-knows"


@pytest.fixture
def hidden_event(app: Any) -> Iterator[int]:
    """Create an event of the hidden DAG's dataset with the REST API, and return it with the dataset's id."""
    from airflow.utils.session import create_session

    dataset_model, event_model = airflow_compat.models.DatasetModel, airflow_compat.models.DatasetEvent
    with create_session() as session:
        dataset = dataset_model(uri=HIDDEN_URI)
        session.add(dataset)
        session.flush()
        reference = airflow_compat.models.DagScheduleDatasetReference(dataset_id=dataset.id, dag_id=HIDDEN)
        event = event_model(dataset_id=dataset.id, extra={"from_rest_api": True, "who": "rest-extra-hidden"})
        session.add_all([reference, event])
        dataset_id = int(dataset.id)
    yield dataset_id
    with create_session() as session:
        session.execute(delete(event_model).where(event_model.dataset_id == dataset_id))
        reference = airflow_compat.models.DagScheduleDatasetReference
        session.execute(delete(reference).where(reference.dataset_id == dataset_id))
        session.execute(delete(dataset_model).where(dataset_model.id == dataset_id))


@pytest.mark.parametrize(
    "limit",
    [
        {"allowed_dags": {"dag_ids": ["mine_*"], "tags": []}},
        {"allowed_dags": {"dag_ids": [], "tags": ["mine"]}},
    ],
    ids=["pattern", "tag"],
)
def test_a_dataset_event_is_hidden_with_its_dataset(
    with_key: Callable[..., Any], hidden_event: int, limit: dict[str, Any]
) -> None:
    """This includes an event without a source DAG: by id, in the list and in the count."""
    request, everything = with_key(**limit), with_key()
    assert "rest-extra-hidden" in everything("GET", "/api/v1/datasets/events").text
    assert request("GET", f"/api/v1/datasets/{quote(HIDDEN_URI, safe='')}").status == 404
    listed = request("GET", "/api/v1/datasets/events").json
    assert [event["source_dag_id"] for event in listed["dataset_events"]] == [MINE]
    assert listed["total_entries"] == 1
    one = request("GET", f"/api/v1/datasets/events?dataset_id={hidden_event}").json
    assert (one["dataset_events"], one["total_entries"]) == ([], 0)
