"""A deploy keeps absent fields, null resets a field, and ``replace`` resets all absent fields."""

from collections.abc import Callable
from typing import Any

import pytest

from airflow_platform_plugin.deployments.execution import task_services
from airflow_platform_plugin.deployments.models import DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

CONNECTIONS = "/api/v1/platform/connections"
URL = "/api/v1/datakits"
Call = Callable[..., Any]

OPTIONS = {
    "rows": {"type": "integer", "default": 100, "maximum": 1000},
    "mode": {"type": "string"},
    "token": {"type": "string", "secret": True},
}
FULL = {
    "configuration": {"rows": 250, "mode": "full", "token": "hunter2hunter2"},
    "schedule": "0 3 * * *",
    "notifications": {"on_success": ["s@example.com"], "on_failure": ["f@example.com"]},
    "catchup": True,
    "retries": 1,
    "retry_delay": 5,
    "timeout": 60,
    "max_active_runs": 2,
    "connections": ["own"],
    "auto_rollback": {"after_failures": 2},
}
DEFAULTS = {
    "configuration": {"rows": 100, "mode": None},
    "schedule": None,
    "notifications": {"on_success": [], "on_failure": []},
    "catchup": False,
    "retries": None,
    "retry_delay": None,
    "timeout": None,
    "max_active_runs": None,
    "connections": [],
    "auto_rollback": None,
}
SHOWN = FULL | {"configuration": FULL["configuration"] | {"token": "***"}}  # type: ignore[operator]


@pytest.fixture
def register(call: Call, tenant: dict[str, Any], manifest: dict[str, Any]) -> Call:
    """Return a function that registers a version of the kit."""
    call("POST", "/api/v1/platform/tenants", json=tenant)
    own = {"connection_id": "own", "connection_type": "postgres", "host": "db.internal"}
    call("POST", CONNECTIONS, json=own | {"tenant_id": "analytics-team", "password": "sesame"})

    def request(version: str, **change: Any) -> None:
        kit = manifest | {"name": "kit", "version": version, "configuration": OPTIONS} | change
        assert call("POST", URL, json=kit).status == 201

    request("1.0.0")
    return request


@pytest.fixture
def deploy(call: Call, register: Call) -> Call:
    """Return a function that deploys the kit with exactly the given fields."""

    def request(version: str = "1.0.0", **body: Any) -> Any:
        place = {"environment": "production", "namespace": "analytics"}
        return call("POST", f"{URL}/kit@{version}/deploy", json=place | body)

    assert request(**FULL).status == 201
    return request


def of(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.json
    return {name: answer.json[name] for name in FULL}


def secrets(session: Any, answer: Any) -> dict[str, Any]:
    revision = session.get(DeploymentRevision, (answer.json["id"], answer.json["revision"]))
    return task_services.load_secrets(DeploymentSpec.model_validate(revision.spec))[0]


def changed(answer: Any) -> list[str]:
    return [part["field"] for part in answer.json["diff"]]


def test_absent_fields_stay(deploy: Call, session: Any) -> None:
    """Also secrets and connections: a change of the schedule changes nothing else."""
    answer = deploy(schedule="0 4 * * *")
    assert of(answer) == SHOWN | {"schedule": "0 4 * * *"}
    assert answer.json["diff"] == [{"field": "schedule", "before": "0 3 * * *", "after": "0 4 * * *"}]
    assert answer.json["warnings"] == []
    assert secrets(session, answer) == {"token": "hunter2hunter2"}


@pytest.mark.parametrize("field", sorted(DEFAULTS))
def test_null_resets_a_field_and_no_other(deploy: Call, field: str, session: Any) -> None:
    answer = deploy(**{field: None})
    assert of(answer) == SHOWN | {field: DEFAULTS[field]}
    if field == "configuration":
        assert secrets(session, answer) == {}
    assert of(deploy()) == SHOWN | {field: DEFAULTS[field]}


def test_objects_are_merged_key_by_key(deploy: Call, session: Any) -> None:
    answer = deploy(configuration={"rows": None, "mode": "delta"}, notifications={"on_success": None})
    assert answer.json["configuration"] == {"rows": 100, "mode": "delta", "token": "***"}
    assert answer.json["notifications"] == {"on_success": [], "on_failure": ["f@example.com"]}
    assert secrets(session, answer) == {"token": "hunter2hunter2"}
    answer = deploy(configuration={"token": None})
    assert "token" not in answer.json["configuration"]
    assert secrets(session, answer) == {}


def test_replace_resets_absent_fields(deploy: Call, session: Any) -> None:
    """Absent fields get their default; *** still keeps a secret."""
    first = deploy(replace=True, configuration={"token": "***"})
    assert of(first) == DEFAULTS | {"configuration": {"rows": 100, "mode": None, "token": "***"}}
    assert secrets(session, first) == {"token": "hunter2hunter2"}
    assert of(deploy(replace=True)) == DEFAULTS
    assert first.json["start_date"] == deploy(replace=True).json["start_date"]


def test_the_start_date_stays_unless_it_is_given(deploy: Call) -> None:
    """Airflow would skip or repeat intervals."""
    start = deploy().json["start_date"]
    assert deploy(start_date=None).json["start_date"] == start
    assert deploy(start_date="2026-01-01T00:00:00Z").json["start_date"] == "2026-01-01T00:00:00Z"
    assert deploy(replace=True).json["start_date"] == "2026-01-01T00:00:00Z"


def test_a_new_version_has_its_own_defaults(deploy: Call, register: Call) -> None:
    """Values that were set stay, even if they equal the old default; others follow the manifest."""
    register("1.1.0", configuration=OPTIONS | {"rows": {"type": "integer", "default": 7}})
    assert deploy("1.1.0", configuration={"rows": None}).json["configuration"]["rows"] == 7
    assert deploy("1.0.0", configuration={"rows": 100}).json["configuration"]["rows"] == 100
    assert deploy("1.1.0").json["configuration"]["rows"] == 100


def test_a_revision_without_chosen_options_keeps_values_that_are_not_defaults(
    deploy: Call, register: Call, session: Any
) -> None:
    answer = deploy()
    revision = session.get(DeploymentRevision, (answer.json["id"], answer.json["revision"]))
    revision.spec = {name: value for name, value in revision.spec.items() if name != "chosen"}
    session.flush()
    register("1.1.0", configuration=OPTIONS | {"rows": {"type": "integer", "default": 7}})
    answer = deploy("1.1.0")
    assert answer.json["configuration"] == {"rows": 250, "mode": "full", "token": "***"}
    assert secrets(session, answer) == {"token": "hunter2hunter2"}


def test_values_that_a_new_version_does_not_have_are_dropped_with_a_warning(
    deploy: Call, register: Call
) -> None:
    register("2.0.0", configuration={"rows": OPTIONS["rows"]})
    answer = deploy("2.0.0")
    assert answer.json["configuration"] == {"rows": 250}
    assert answer.json["warnings"] == [
        "configuration.mode is dropped: 2.0.0 has no such option",
        "configuration.token is dropped: 2.0.0 has no such option",
    ]
    assert {"configuration.mode", "configuration.token"} <= set(changed(answer))
    assert "hunter2" not in answer.text
    assert deploy("2.0.0", configuration={"mode": None}).status == 400, "the option no longer exists"


@pytest.mark.parametrize("options", [{"token": {"type": "string"}}, {}], ids=["plain", "undeclared"])
def test_a_secret_is_not_kept_for_a_version_that_would_show_it(
    deploy: Call, register: Call, call: Call, options: dict[str, Any]
) -> None:
    register("2.0.0", configuration=options)
    answer = deploy("2.0.0")
    assert answer.status == 200
    assert "token" not in {name for name, value in answer.json["configuration"].items() if value}
    assert any("token is dropped: it was secret" in warning for warning in answer.json["warnings"])
    url = f"{URL}/deployments/{answer.json['id']}"
    assert "hunter2" not in answer.text + call("GET", f"{url}/revisions").text
    deploy()  # 1.0.0 no longer has a token
    deploy(configuration={"token": "swordfish1234"})
    refused = deploy("2.0.0", configuration={"token": "***"})
    assert refused.status == 400
    assert "is not a secret in this version" in refused.text


def test_a_stored_value_that_is_no_longer_valid_is_an_error(deploy: Call, register: Call) -> None:
    """A user must decide on the new value; the message does not contain the secret."""
    narrow = {"rows": {"type": "integer", "maximum": 200}, "token": {"type": "integer", "secret": True}}
    register("2.0.0", configuration=narrow)
    refused = deploy("2.0.0")
    errors = refused.json["error"]["details"]["errors"]
    assert [error["pointer"] for error in errors] == ["/configuration/rows", "/configuration/token"]
    assert "kept from before" in errors[0]["message"]
    assert "hunter2" not in refused.text
    assert deploy("2.0.0", configuration={"rows": 5, "token": None}).status == 200


def test_a_required_option_may_be_kept(deploy: Call, register: Call) -> None:
    register("2.0.0", configuration=OPTIONS | {"mode": {"type": "string", "required": True}})
    assert deploy("2.0.0").status == 200
    assert deploy("2.0.0", configuration={"mode": None}).status == 400


def test_a_reactivated_deployment_has_its_stored_values(deploy: Call, call: Call) -> None:
    made = deploy()
    call("POST", f"{URL}/deployments/{made.json['id']}/retire")
    assert of(deploy()) == SHOWN


def test_a_dry_run_shows_the_same(deploy: Call) -> None:
    assert of(deploy(dry_run=True, retries=3)) == SHOWN | {"retries": 3}
    assert of(deploy()) == SHOWN


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"replace": "yes"}, "/replace"),
        ({"replace": None}, "/replace"),
        ({"catchup": 0}, "/catchup"),
        ({"notifications": {"on_success": ["x"]}}, "/notifications/on_success/0"),
        ({"configuration": []}, "/configuration"),
        ({"configuration": {"unknown": None}}, "/configuration/unknown"),
        ({"connections": "own"}, "/connections"),
    ],
)
def test_an_invalid_deploy_changes_nothing(deploy: Call, body: dict[str, Any], pointer: str) -> None:
    refused = deploy(**body)
    assert refused.status == 400
    assert [error["pointer"] for error in refused.json["error"]["details"]["errors"]] == [pointer]
    assert deploy(dry_run=True).json["revision"] == 2


# --- grants of connections ---


@pytest.fixture
def as_member(call: Call, app: Any, session: Any, user_id: Callable[[str], int]) -> Call:
    """Return a function that deploys with a key of the tenant, which may not read shared connections."""
    from calls import client

    from airflow_platform_plugin.auth import service

    _, key = service.issue(session, name="t", user_id=user_id("admin"), tenant_id="analytics-team")
    member = client(app, {"X-API-Key": key})

    def request(version: str = "1.0.0", **body: Any) -> Any:
        place = {"environment": "production", "namespace": "analytics"}
        return member("POST", f"{URL}/kit@{version}/deploy", json=place | body)

    return request


@pytest.fixture
def granted(call: Call, deploy: Call) -> Any:
    """Deploy with a shared connection, which an admin has granted."""
    shared = {"connection_id": "shared", "connection_type": "postgres", "host": "db.internal"}
    assert call("POST", CONNECTIONS, json=shared | {"password": "operators"}).status == 201
    return deploy(connections=["shared"])


def granted_to(session: Any, answer: Any) -> set[str]:
    revision = session.get(DeploymentRevision, (answer.json["id"], answer.json["revision"]))
    return set(task_services.load_secrets(DeploymentSpec.model_validate(revision.spec))[1])


def test_a_grant_stays_if_code_and_configuration_stay(granted: Any, as_member: Call, session: Any) -> None:
    assert granted.json["connections"] == ["shared"]
    answer = as_member(schedule="@daily", retries=0)
    assert (answer.status, granted_to(session, answer)) == (200, {"shared"})


@pytest.mark.parametrize("change", [{"version": "9.0.0"}, {"configuration": {"mode": "show me"}}])
def test_a_grant_does_not_extend_to_other_code(
    granted: Any,
    as_member: Call,
    register: Call,
    change: dict[str, Any],
) -> None:
    """A member could read the operator's password with another version or configuration."""
    register("9.0.0")
    refused = as_member(**change)
    assert (refused.status, refused.json["error"]["details"]["scope"]) == (403, "connections:read")
    assert as_member(**change, connections=[]).status == 200
    assert as_member(connections=["shared"]).status == 403


def test_a_grant_is_for_a_row_and_not_for_a_name(
    granted: Any, call: Call, deploy: Call, as_member: Call, session: Any
) -> None:
    """A later shared connection of the same name was not granted."""
    from airflow_platform_plugin.airflow_compat.models import Connection

    # SQLite uses a deleted id again: another connection takes it.
    call("DELETE", f"{CONNECTIONS}/shared?force=true")
    session.add(Connection(conn_id="takes_the_id", conn_type="http"))
    session.flush()
    again = {"connection_id": "shared", "connection_type": "postgres", "host": "db.internal"}
    assert call("POST", CONNECTIONS, json=again | {"password": "another"}).status == 201
    from airflow_platform_plugin.core.errors import ValidationFailed

    with pytest.raises(ValidationFailed, match="no connection 'shared'"):
        granted_to(session, granted)
    for refused in (as_member(retries=3), deploy(retries=3), deploy(configuration={"mode": "x"})):
        assert [error["pointer"] for error in refused.json["error"]["details"]["errors"]] == [
            "/connections/0"
        ]
    assert granted_to(session, deploy(connections=["shared"])) == {"shared"}


def test_a_grant_stays_for_a_kit_with_a_secret_that_is_not_set(
    granted: Any, deploy: Call, as_member: Call, session: Any
) -> None:
    """A secret without a value is the same configuration as before."""
    assert deploy(configuration={"token": None}).json["connections"] == ["shared"]
    answer = as_member(schedule="@daily")
    assert (answer.status, granted_to(session, answer)) == (200, {"shared"})
