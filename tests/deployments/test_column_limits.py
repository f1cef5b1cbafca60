"""One deployment never prevents the DAGs of others from being stored."""

from collections.abc import Callable
from typing import Any

import pytest
from airflow.models.dagbag import DagBag
from sqlalchemy import event, select

from airflow_platform_plugin.airflow_compat.models import DagModel, DagTag
from airflow_platform_plugin.core.naming import looks_like_tenant_tag
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.deployments import column_limits
from airflow_platform_plugin.deployments.execution import loader
from airflow_platform_plugin.deployments.execution.dag import Owner, build
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.spec import DeploymentSpec

URL = "/api/v1/datakits"
# Airflow describes 2.4 KB in more than a thousand characters, and needs seconds to parse 350 KB.
LONG = ",".join(str(minute) for minute in [*range(60)] * 15) + " * * * *"
HUGE = ",".join(["0", *["1-59/1"] * 50_000]) + " * * * *"


def pointers(answer: Any) -> list[str]:
    assert answer.status == 400, answer.json
    return [error["pointer"] for error in answer.json["error"]["details"]["errors"]]


def stored(session: Any) -> set[str]:
    """Store the loader's DAGs as the DAG processor does, all at once; return the ids in Airflow's table."""
    DagBag._sync_to_db(loader.load("f"), session=session)
    session.flush()
    return set(session.scalars(select(DagModel.dag_id)))


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": LONG},
        {"schedule": HUGE},
        {"schedule": "0,1 " * 40 + "* * * *"},
        {"start_date": "9999-12-30T00:00:00Z", "schedule": "@daily"},
        {"start_date": "0001-01-01T00:00:00Z", "schedule": "0 0 29 2 *"},
        {"start_date": "0001-01-01T00:00:00+14:00"},
        {"start_date": "9999-12-31T23:59:59-14:00", "schedule": None},
        {"start_date": "1969-12-31T23:59:59Z"},
        {"start_date": "2038-02-01T00:00:00Z"},
        {"schedule": "0 0 31 2 mon#5"},
    ],
)
def test_values_that_airflow_cannot_store_are_refused_with_their_field(
    deploy: Callable[..., Any], change: dict[str, Any]
) -> None:
    """The check is fast, because nothing long is evaluated."""
    field = f"/{next(iter(change))}"
    assert pointers(deploy(**change)) == [field]
    assert pointers(deploy(**change, dry_run=True)) == [field]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"description": "é" * 33_000}, "/description"),
        ({"inputs": [{"name": "x" * 256, "schema": "x" * 256, "type": "table"}]}, None),
        ({"inputs": [{"name": "漢" * 256, "schema": "漢" * 256, "type": "table"}]}, "/inputs"),
        ({"outputs": [{"name": "漢" * 256, "schema": "漢" * 256, "type": "table"}]}, "/outputs"),
    ],
)
def test_a_manifest_that_airflow_cannot_store_is_refused_at_the_deploy(
    deploy: Callable[..., Any], session: Any, change: dict[str, Any], pointer: str | None
) -> None:
    """The limits are those of the columns that Airflow declares."""
    # Written to the table directly, because a registration has its own limit.
    row = session.scalars(select(DataKit)).one()
    row.manifest = row.manifest | change
    session.flush()
    answer = deploy()
    if pointer is None:
        assert answer.status == 201
    else:
        assert set(pointers(answer)) == {pointer}


def poison(session: Any, deployment_id: str, **change: Any) -> None:
    """Change a stored revision to one from before the limits."""
    revision = session.get(DeploymentRevision, (deployment_id, 1))
    manifest = revision.spec["manifest"] | change.pop("manifest", {})
    revision.spec = revision.spec | {"manifest": manifest} | change
    session.flush()


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": LONG},
        {"schedule": HUGE},
        {"schedule": "61 * * * *"},
        {"start_date": "not a date"},
        {"retry_delay": 1e300},
        {"manifest": {"tags": ["x" * 101]}},
        {"manifest": {"description": "é" * 33_000}},
        {"manifest": {"inputs": [{"name": "漢" * 256, "schema": "漢" * 256}]}},
        {"manifest": {"requirements": {"cpu": "\0"}}},
    ],
    ids=["long", "huge", "wrong", "date", "delay", "tag", "description", "dataset", "nul"],
)
def test_a_stored_deployment_that_airflow_cannot_store_does_not_affect_others(
    call: Callable[..., Any], deploy: Callable[..., Any], session: Any, change: dict[str, Any]
) -> None:
    """It is left out with its reason; the others are built, and Airflow's own code stores them."""
    victim, poisoned = deploy().json, deploy(environment="staging").json
    poison(session, poisoned["id"], **change)
    assert stored(session) == {victim["dag_id"]}
    status = call("GET", f"{URL}/deployments/{poisoned['id']}/status").json
    assert status["status"] == "import_error"
    assert status["message"]
    assert call("GET", f"{URL}/deployments/{victim['id']}/status").json["status"] != "import_error"


def test_tags_that_the_database_cannot_distinguish_are_stored_once(
    deploy: Callable[..., Any], session: Any
) -> None:
    """MySQL does not distinguish "Gold" from "gold": only one of them is stored."""
    made = deploy().json
    tags = [
        "Gold",
        "gold",
        "cafe",
        "caf\u00e9",
        "\u00df",
        "ss",
        "trail",
        "trail ",
        "\u65e5\u672c",
        "\u4e2d\u56fd",
    ]
    poison(session, made["id"], manifest={"tags": tags})
    assert stored(session) == {made["dag_id"]}
    kept = set(session.scalars(select(DagTag.name)))
    assert {"tenant:analytics-team", "\u65e5\u672c", "\u4e2d\u56fd"} <= kept
    assert {"gold", "trail", "ss"} <= {tag.casefold().strip() for tag in kept}
    if session.connection().dialect.name != "mysql":
        assert set(tags) <= kept


@pytest.mark.parametrize(
    "tag",
    [
        "tenant:blue",
        "Tenant:blue",
        "TENANT:BLUE",
        "ténant:blue",
        "\uff54enant\uff1ablue",
        "te\u200bnant:blue",
        " tenant:b",
    ],
)
def test_tags_that_look_like_a_tenants_tag_are_dropped(tag: str) -> None:
    """The tag assigns a DAG to a tenant, and MySQL ignores case, accents and invisible characters."""
    assert looks_like_tenant_tag(tag)
    spec = DeploymentSpec.model_validate(
        {
            "dag_id": "d",
            "manifest": {"name": "kit", "version": "1.0.0", "image": "x/kit:1", "tags": [tag, "tenancy"]},
            "environment": "production",
            "namespace": "default",
            "configuration": {},
            "schedule": None,
            "start_date": "2026-01-01T00:00:00Z",
        }
    )
    assert set(build(spec, Owner("red", {})).tags) == {"datakit", "production", "tenancy", "tenant:red"}


@pytest.mark.parametrize(
    ("schedule", "start", "field"),
    [
        ("0 2 * * *", "2026-01-01T00:00:00Z", None),
        ("@daily", "2026-01-01T00:00:00Z", None),
        (None, "2026-01-01T00:00:00Z", None),
        ("0 0 29 2 *", "2026-01-01T00:00:00Z", None),
        ("0 0 * * 1#5", "2026-01-01T00:00:00Z", None),
        ("0 0 29 2 mon#5", "2026-01-01T00:00:00Z", "schedule"),
        ("0 2 * * *", "1969-12-31T00:00:00Z", "start_date"),
        ("0 2 * * *", "2038-02-01T00:00:00Z", "start_date"),
    ],
)
def test_mysql_stores_only_times_up_to_2038(schedule: str | None, start: str, field: str | None) -> None:
    """The scheduler stores the next run and the one after it, so neither may be later."""
    spec = DeploymentSpec.model_validate(
        {
            "dag_id": "d",
            "manifest": {"name": "kit", "version": "1.0.0", "image": "x/kit:1"},
            "environment": "production",
            "namespace": "default",
            "configuration": {},
            "schedule": schedule,
            "start_date": start,
        }
    )
    found = [misfit.field for misfit in column_limits.find_misfits(build(spec), spec, "mysql")]
    assert found == ([field] if field else [])
    assert list(column_limits.find_misfits(build(spec), spec, "postgresql")) == []


def test_a_schedule_is_evaluated_before_the_tenant_is_locked(
    deploy: Callable[..., Any], session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite, that lock blocks all writers, including the scheduler."""
    order: list[str] = []
    deploy(environment="staging")
    whole = column_limits.find_misfits

    def evaluate(*args: Any) -> Any:
        order.append("evaluated")
        return whole(*args)

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("UPDATE platform", "INSERT INTO platform_deployment", "UPDATE serialized")):
            order.append("locked")

    monkeypatch.setattr(column_limits, "find_misfits", evaluate)
    event.listen(session.connection(), "before_cursor_execute", executed)
    assert deploy().status == 201
    assert order[0] == "evaluated"
    assert "locked" in order


def test_every_database_can_store_an_error() -> None:
    assert "\0" not in loader._message(ValueError("a\0b\ud800"))
    loader._message(ValueError("a\ud800")).encode()


def test_a_valid_deploy_repairs_a_broken_deployment(
    call: Callable[..., Any], deploy: Callable[..., Any], session: Any
) -> None:
    made = deploy().json
    poison(session, made["id"], schedule=LONG)
    assert stored(session) == set()
    assert deploy().status == 200
    assert stored(session) == {made["dag_id"]}
    row = session.get(Deployment, made["id"])
    session.refresh(row)
    assert (row.import_error, row.loaded_revision) == (None, 2)
