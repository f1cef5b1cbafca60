"""Keys that are limited to scopes and DAGs, on every operation of Airflow's own API."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import airflow
import pytest
import yaml
from sqlalchemy import delete
from stock_data import HIDDEN, MINE, RUN, TASK, URI, two_dags
from stock_data import path as file_of

from airflow_platform_plugin import db, http
from airflow_platform_plugin.auth import service, stock
from airflow_platform_plugin.auth.models import ApiKey
from airflow_platform_plugin.scopes import SCOPES, Dags

FAB = "providers/fab/auth_manager/openapi/v1.yaml"
DOCUMENTS = {"/api/v1": "api_connexion/openapi/v1.yaml", "/auth/fab/v1": FAB}

# What the operations that write are sent; a key that may not is refused before this is looked at.
BODIES: dict[str, Any] = {
    "post_connection": {"connection_id": "made", "conn_type": "http"},
    "patch_connection": {"connection_id": "made", "conn_type": "http"},
    "test_connection": {"connection_id": "made", "conn_type": "http"},
    "patch_dags": {"is_paused": False},
    "patch_dag": {"is_paused": False},
    "post_clear_task_instances": {
        "dry_run": True,
        "only_failed": False,
        "include_downstream": True,
        "include_subdags": True,
        "include_parentdag": True,
    },
    "post_set_task_instances_state": {
        "dry_run": False,
        "task_id": TASK,
        "dag_run_id": RUN,
        "include_upstream": True,
        "include_downstream": True,
        "include_future": True,
        "include_past": True,
        "new_state": "success",
    },
    "patch_task_instance": {"dry_run": False, "new_state": "success"},
    "patch_mapped_task_instance": {"dry_run": True, "new_state": "success"},
    "set_task_instance_note": {"note": "n"},
    "set_mapped_task_instance_note": {"note": "n"},
    "set_dag_run_note": {"note": "n"},
    "post_dag_run": {"conf": {}},
    "get_dag_runs_batch": {},
    "get_task_instances_batch": {},
    "update_dag_run_state": {"state": "success"},
    "clear_dag_run": {"dry_run": False},
    "post_pool": {"name": "made", "slots": 1},
    "patch_pool": {"name": "made", "slots": 2},
    "post_variables": {"key": "made", "value": "v"},
    "patch_variable": {"key": "made", "value": "w"},
    "create_dataset_event": {"dataset_uri": URI},
    "post_role": {"name": "made", "actions": []},
    "patch_role": {"name": "made", "actions": []},
    "post_user": {"username": "made"},
    "patch_user": {"username": "made"},
}
QUERIES = {"get_dag_stats": {"dag_ids": f"{MINE},{HIDDEN}"}, "patch_dags": {"dag_id_pattern": "~"}}
# What an unlimited key finds HIDDEN in: these would leak, were they not narrowed.
TELLING = {
    "get_dags",
    "get_dag_runs",
    "get_dag_runs_batch",
    "get_task_instances",
    "get_task_instances_batch",
    "get_xcom_entries",
    "get_dag_stats",
    "get_dag_warnings",
    "get_import_errors",
    "get_event_logs",
    "get_datasets",
    "get_dataset",
    "get_dataset_events",
    "get_dataset_queued_events",
    "get_upstream_dataset_events",
    "get_roles",
    "post_clear_task_instances",
}


def operations() -> list[tuple[str, str, str]]:
    """Method, path and id of every operation in the two documents; deletions last."""
    found = []
    for base, name in DOCUMENTS.items():
        document = yaml.safe_load((Path(airflow.__path__[0]) / name).read_text(encoding="utf-8"))
        for path, methods in document["paths"].items():
            found += [
                (method.upper(), base + path, operation["operationId"])
                for method, operation in methods.items()
                if method in {"get", "post", "put", "patch", "delete"}
            ]
    return sorted(found, key=lambda operation: operation[0] == "DELETE")


OPERATIONS = operations()


@pytest.fixture(scope="module", autouse=True)
def _rows(app: Any) -> Iterator[None]:
    with two_dags(app):
        yield


@pytest.fixture
def with_key(app: Any, user_id: Callable[[str], int]) -> Iterator[Callable[..., Any]]:
    """Make requests with an administrator's key of those limits."""

    def make(**limits: Any) -> Callable[..., SimpleNamespace]:
        with db.transaction() as session:
            _, key = service.create(session, name="k", user_id=user_id("admin"), **limits)

        def request(method: str, path: str, **kwargs: Any) -> SimpleNamespace:
            answer = app.test_client().open(
                path, method=method, headers={"X-API-Key": key, "Accept": "application/json"}, **kwargs
            )
            return SimpleNamespace(
                status=answer.status_code,
                json=answer.get_json(silent=True),
                text=answer.get_data(as_text=True),
            )

        return request

    yield make
    with db.transaction() as session:
        session.execute(delete(ApiKey))


def send(request: Callable[..., Any], app: Any, operation: tuple[str, str, str], dag_id: str) -> Any:
    """One operation about a DAG; what its path names exists, unless a deletion came before."""
    method, path, name = operation
    from airflow.models.errors import ParseImportError
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from itsdangerous import URLSafeSerializer

    source = file_of(dag_id if dag_id != "~" else MINE)
    with create_session() as session:
        error = session.query(ParseImportError.id).filter_by(filename=str(source)).scalar() or 0
        entry = session.query(Log.id).filter_by(dag_id=dag_id).order_by(Log.id).first() or [0]
    values = {
        "dag_id": dag_id,
        "dag_run_id": RUN,
        "task_id": TASK,
        "map_index": "0",
        "task_try_number": "1",
        "xcom_key": "k",
        "uri": URI,
        "file_token": URLSafeSerializer(app.config["SECRET_KEY"]).dumps(str(source)),
        "import_error_id": str(error),
        "event_log_id": str(entry[0]),
        "connection_id": "made",
        "pool_name": "made",
        "variable_key": "made",
        "role_name": "Admin" if method == "GET" else "made",
        "username": "admin" if method == "GET" else "made",
        "section": "core",
        "option": "parallelism",
    }
    for argument, value in values.items():
        path = path.replace(f"{{{argument}}}", value)
    json = BODIES.get(name) if method != "GET" else None
    return request(method, path, json=json, query_string=QUERIES.get(name))


def test_every_operation_of_airflow_has_a_scope(app: Any) -> None:
    """The documents and the running routes agree with the table, both ways."""
    served = {
        stock.operation_id(rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in http.STOCK_BLUEPRINTS
    }
    documented = {name for _, _, name in OPERATIONS}
    assert documented <= served == set(stock.OPERATIONS)
    assert {operation.scope for operation in stock.OPERATIONS.values()} - {None} <= set(SCOPES)


def test_an_operation_without_a_scope_is_refused(
    with_key: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a new version of Airflow brings."""
    monkeypatch.delitem(stock.OPERATIONS, "get_dags")
    assert with_key()("GET", "/api/v1/dags").status == 403


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation[0]}-{operation[2]}")
def test_a_key_without_the_scope_is_refused_by_name(
    with_key: Callable[..., Any], app: Any, operation: tuple[str, str, str]
) -> None:
    """Every operation, with a key that holds every scope but the one."""
    needed = stock.OPERATIONS[operation[2]].scope
    if needed is None:
        assert send(with_key(scopes=[]), app, operation, MINE).status == 200
        return
    resource = needed.split(":")[0]
    others = [scope for scope in SCOPES if scope not in {needed, f"{resource}:write"}]
    answer = send(with_key(scopes=others), app, operation, MINE)
    assert answer.status == 403
    assert answer.json["error"]["code"] == "PERMISSION_DENIED"
    assert answer.json["error"]["details"] == {"scope": needed}
    assert (answer.json["status"], answer.json["detail"]) == (403, answer.json["error"]["message"])


def test_the_rows_would_be_seen_without_a_limit(with_key: Callable[..., Any], app: Any) -> None:
    """So that the test below looks at answers that could leak."""
    request = with_key()
    for operation in OPERATIONS:
        if operation[2] in TELLING and operation[1].startswith("/api"):
            dag_id = MINE if operation[2].startswith(("get_upstream", "post_clear")) else "~"
            assert HIDDEN in send(request, app, operation, dag_id).text, operation


@pytest.mark.parametrize(
    "limit", [{"dag_ids": ["mine_*"], "tags": []}, {"dag_ids": [], "tags": ["mine"]}], ids=["pattern", "tag"]
)
def test_a_limited_key_never_hears_of_another_dag(
    with_key: Callable[..., Any], app: Any, limit: dict[str, Any]
) -> None:
    """Every operation, about its own DAG, about all and about the other one, with every scope by name."""
    request = with_key(allowed_dags=limit, scopes=list(SCOPES))
    succeeded = set()
    for operation in OPERATIONS:
        if operation[0] == "DELETE":
            continue  # below
        for dag_id in (MINE, "~"):
            answer = send(request, app, operation, dag_id)
            assert HIDDEN not in answer.text, operation
            assert answer.status != 500, operation
            if answer.status < 300:
                succeeded.add(operation[2])
        if "{dag_id}" in operation[1]:
            refused = send(request, app, operation, HIDDEN)
            assert refused.status == 403, operation
    reachable = {
        name
        for name, operation in stock.OPERATIONS.items()
        if operation.dags is not Dags.REFUSED and name.startswith("get_")
    }
    # There is no mapped task, and configuration is not exposed by default.
    unseen = {name for name in reachable if "mapped" in name} | {"get_config", "get_value", "get_log"}
    assert reachable - unseen <= succeeded


def test_a_limited_key_deletes_nothing_of_another_dag(with_key: Callable[..., Any], app: Any) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    request = with_key(allowed_dags={"dag_ids": ["mine_*"], "tags": []}, scopes=list(SCOPES))
    for operation in OPERATIONS:
        if operation[0] == "DELETE":
            answer = send(request, app, operation, HIDDEN)
            reach = stock.OPERATIONS[operation[2]].dags
            if "{dag_id}" in operation[1] or reach is Dags.REFUSED:
                assert answer.status == 403, operation
            assert HIDDEN not in answer.text or answer.status == 403
    with create_session() as session:
        assert session.query(DagRun).filter_by(dag_id=HIDDEN).count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            f"/api/v1/dags/{MINE}/clearTaskInstances",
            {"dry_run": False, "only_failed": False, "include_subdags": True},
        ),
        (f"/api/v1/dags/{MINE}/dagRuns/{RUN}/clear", {"dry_run": False}),
    ],
)
@pytest.mark.parametrize("limited", [True, False])
def test_clearing_does_not_follow_markers_out_of_the_limit(
    with_key: Callable[..., Any], path: str, body: dict[str, Any], *, limited: bool
) -> None:
    """Airflow clears on in the DAG that an ExternalTaskMarker names; a limited key's request does not."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(TaskInstance).update({"state": "success"})
    request = with_key(allowed_dags={"dag_ids": [MINE], "tags": []} if limited else None)
    assert request("POST", path, json=body).status == 200
    with create_session() as session:
        states = dict(
            session.query(TaskInstance.dag_id, TaskInstance.state).filter_by(task_id=TASK, run_id=RUN)
        )
    assert states[MINE] is None
    assert (states[HIDDEN] == "success") is limited


def test_a_limited_key_patches_only_its_dags(with_key: Callable[..., Any]) -> None:
    everything, request = with_key(), with_key(allowed_dags={"dag_ids": ["mine_*"], "tags": []})
    paused = everything("GET", f"/api/v1/dags/{HIDDEN}").json["is_paused"]
    answer = request("PATCH", "/api/v1/dags?dag_id_pattern=~", json={"is_paused": not paused})
    assert [dag["dag_id"] for dag in answer.json["dags"]] == [MINE]
    assert everything("GET", f"/api/v1/dags/{MINE}").json["is_paused"] is not paused
    assert everything("GET", f"/api/v1/dags/{HIDDEN}").json["is_paused"] is paused


def test_a_limited_key_needs_scopes_by_name_for_what_is_no_dags(with_key: Callable[..., Any]) -> None:
    """A key "for these DAGs" does not read all variables by that."""
    limit = {"dag_ids": ["mine_*"], "tags": []}
    refused = with_key(allowed_dags=limit)("GET", "/api/v1/variables")
    assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "variables:read"})
    assert with_key(allowed_dags=limit, scopes=["variables:read"])("GET", "/api/v1/variables").status == 200


def test_write_grants_read(with_key: Callable[..., Any]) -> None:
    assert with_key(scopes=["dags:write"])("GET", "/api/v1/dags").status == 200


def test_a_limit_of_the_key_adds_nothing_to_the_roles(
    app: Any, user_id: Callable[[str], int], session: Any
) -> None:
    """A viewer's key with every scope and all DAGs still writes nothing."""
    _, key = service.create(
        session,
        name="k",
        user_id=user_id("viewer"),
        scopes=list(SCOPES),
        allowed_dags={"dag_ids": ["*"], "tags": []},
    )
    refused = app.test_client().patch(
        f"/api/v1/dags/{MINE}", json={"is_paused": True}, headers={"X-API-Key": key}
    )
    assert refused.status_code == 403
