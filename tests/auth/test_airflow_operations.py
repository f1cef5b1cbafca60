"""Keys with limited scopes and DAGs, on every operation of Airflow's own API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from stock_data import HIDDEN, MINE, RUN, TASK, two_dags
from stock_operations import OPERATIONS, send

from airflow_platform_plugin.auth import airflow_operations, service
from airflow_platform_plugin.core import scopes as all_scopes
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http import responses

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


@pytest.fixture(scope="module", autouse=True)
def _rows(app: Any) -> Iterator[None]:
    with two_dags(app):
        yield


def test_every_operation_of_airflow_has_a_scope(app: Any) -> None:
    """The table, Airflow's OpenAPI documents and the running routes have the same operations."""
    served = {
        airflow_operations.operation_id(rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in responses.STOCK_BLUEPRINTS
    }
    documented = {name for _, _, name in OPERATIONS}
    assert documented <= served == set(airflow_operations.OPERATIONS)
    assert {operation.scope for operation in airflow_operations.OPERATIONS.values()} - {None} <= set(
        all_scopes.known()
    )


def test_an_operation_without_a_scope_is_refused(
    with_key: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new version of Airflow may add operations."""
    monkeypatch.delitem(airflow_operations.OPERATIONS, "get_dags")
    assert with_key()("GET", "/api/v1/dags").status == 403


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: f"{operation[0]}-{operation[2]}")
def test_a_key_without_the_scope_is_refused_with_the_scopes_name(
    with_key: Callable[..., Any], app: Any, operation: tuple[str, str, str]
) -> None:
    """Each operation is called with a key that has all other scopes."""
    needed = airflow_operations.OPERATIONS[operation[2]].scope
    if needed is None:
        assert send(with_key(scopes=[]), app, operation, MINE).status == 200
        return
    resource = needed.split(":")[0]
    others = [scope for scope in all_scopes.known() if scope not in {needed, f"{resource}:write"}]
    answer = send(with_key(scopes=others), app, operation, MINE)
    assert answer.status == 403
    assert answer.json["error"]["code"] == "PERMISSION_DENIED"
    assert answer.json["error"]["details"] == {"scope": needed}
    assert (answer.json["status"], answer.json["detail"]) == (403, answer.json["error"]["message"])


def test_a_key_without_a_limit_sees_the_rows(with_key: Callable[..., Any], app: Any) -> None:
    """This shows that the next test checks responses that could leak rows."""
    request = with_key()
    for operation in OPERATIONS:
        if operation[2] in TELLING and operation[1].startswith("/api"):
            dag_id = MINE if operation[2].startswith(("get_upstream", "post_clear")) else "~"
            assert HIDDEN in send(request, app, operation, dag_id).text, operation


@pytest.mark.parametrize(
    "limit", [{"dag_ids": ["mine_*"], "tags": []}, {"dag_ids": [], "tags": ["mine"]}], ids=["pattern", "tag"]
)
def test_a_limited_key_sees_nothing_of_another_dag(
    with_key: Callable[..., Any], app: Any, limit: dict[str, Any]
) -> None:
    """Each operation is called for the own DAG, for all DAGs and for the other DAG, with every scope."""
    request = with_key(allowed_dags=limit, scopes=list(all_scopes.known()))
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
        for name, operation in airflow_operations.OPERATIONS.items()
        if operation.dags is not DagPolicy.FORBIDDEN and name.startswith("get_")
    }
    # There is no mapped task, and configuration is not exposed by default.
    unseen = {name for name in reachable if "mapped" in name} | {"get_config", "get_value", "get_log"}
    assert reachable - unseen <= succeeded


def test_a_limited_key_deletes_nothing_of_another_dag(with_key: Callable[..., Any], app: Any) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    request = with_key(allowed_dags={"dag_ids": ["mine_*"], "tags": []}, scopes=list(all_scopes.known()))
    for operation in OPERATIONS:
        if operation[0] == "DELETE":
            answer = send(request, app, operation, HIDDEN)
            reach = airflow_operations.OPERATIONS[operation[2]].dags
            if "{dag_id}" in operation[1] or reach is DagPolicy.FORBIDDEN:
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
    """Airflow also clears the DAG that an ExternalTaskMarker names; a request with a limited key does not."""
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


def test_a_limited_key_needs_a_listed_scope_for_objects_without_a_dag(with_key: Callable[..., Any]) -> None:
    """A key for some DAGs cannot read all variables just because it lists no scopes."""
    limit = {"dag_ids": ["mine_*"], "tags": []}
    refused = with_key(allowed_dags=limit)("GET", "/api/v1/variables")
    assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "variables:read"})
    assert with_key(allowed_dags=limit, scopes=["variables:read"])("GET", "/api/v1/variables").status == 200


def test_write_grants_read(with_key: Callable[..., Any]) -> None:
    assert with_key(scopes=["dags:write"])("GET", "/api/v1/dags").status == 200


def test_a_key_with_all_scopes_and_dags_has_no_more_rights_than_its_owner(
    app: Any, user_id: Callable[[str], int], session: Any
) -> None:
    """A viewer's key still cannot write."""
    _, key = service.issue(
        session,
        name="k",
        user_id=user_id("viewer"),
        scopes=list(all_scopes.known()),
        allowed_dags={"dag_ids": ["*"], "tags": []},
    )
    refused = app.test_client().patch(
        f"/api/v1/dags/{MINE}", json={"is_paused": True}, headers={"X-API-Key": key}
    )
    assert refused.status_code == 403


@pytest.mark.parametrize("run_id", ["x y", "a/b", "ä"])
def test_an_invalid_run_id_is_a_validation_error(
    app: Any, with_key: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, run_id: str
) -> None:
    """The error names the field, and no run is created."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", value=False)
    request = with_key()
    runs = request("GET", f"/api/v1/dags/{MINE}/dagRuns").json["total_entries"]
    answer = request("POST", f"/api/v1/dags/{MINE}/dagRuns", json={"dag_run_id": run_id})
    assert (answer.status, answer.json["error"]["code"]) == (400, "VALIDATION_ERROR"), answer.text
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/dag_run_id"
    assert request("GET", f"/api/v1/dags/{MINE}/dagRuns").json["total_entries"] == runs
