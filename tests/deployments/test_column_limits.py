"""One deployment never keeps the others' DAGs from being stored, whatever is in it."""

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
# 2.4 KB that Airflow describes in more than a thousand characters, and 350 KB that take it seconds to read.
LONG = ",".join(str(minute) for minute in [*range(60)] * 15) + " * * * *"
HUGE = ",".join(["0", *["1-59/1"] * 50_000]) + " * * * *"


def pointers(answer: Any) -> list[str]:
    assert answer.status == 400, answer.json
    return [error["pointer"] for error in answer.json["error"]["details"]["errors"]]


def stored(session: Any) -> set[str]:
    """Store the loader's DAGs as the DAG processor does, all at once; returns the ids in Airflow's table."""
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
def test_what_airflow_cannot_keep_is_refused_by_field(
    deploy: Callable[..., Any], change: dict[str, Any]
) -> None:
    """And quickly: nothing long is evaluated."""
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
def test_what_of_a_manifest_airflow_cannot_keep_is_refused_at_the_deploy(
    deploy: Callable[..., Any], session: Any, change: dict[str, Any], pointer: str | None
) -> None:
    """The columns of Airflow's tables count, as Airflow itself declares them."""
    # Written straight into the table: what may be registered is another limit.
    row = session.scalars(select(DataKit)).one()
    row.manifest = row.manifest | change
    session.flush()
    answer = deploy()
    if pointer is None:
        assert answer.status == 201
    else:
        assert set(pointers(answer)) == {pointer}


def poison(session: Any, deployment_id: str, **change: Any) -> None:
    """Make a stored revision what it may be from before there were limits."""
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
def test_a_stored_one_that_cannot_be_kept_harms_no_other(
    call: Callable[..., Any], deploy: Callable[..., Any], session: Any, change: dict[str, Any]
) -> None:
    """It is left out and says why; the others are built, and stored by Airflow's own code."""
    victim, poisoned = deploy().json, deploy(environment="staging").json
    poison(session, poisoned["id"], **change)
    assert stored(session) == {victim["dag_id"]}
    status = call("GET", f"{URL}/deployments/{poisoned['id']}/status").json
    assert status["status"] == "import_error"
    assert status["message"]
    assert call("GET", f"{URL}/deployments/{victim['id']}/status").json["status"] != "import_error"


def test_tags_that_the_database_holds_for_one_are_one(deploy: Callable[..., Any], session: Any) -> None:
    """To MySQL "Gold" and "gold" are one, and so are many others: what is stored is what it holds apart."""
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
def test_no_kit_brings_what_may_pass_for_a_tenants_tag(tag: str) -> None:
    """By that tag a DAG is a tenant's, and MySQL compares tags without case, accents and the invisible."""
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
def test_mysql_keeps_only_times_up_to_2038(schedule: str | None, start: str, field: str | None) -> None:
    """Nor may a schedule's next run, or the one after it, be later: the scheduler itself writes it down."""
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
    found = [misfit.field for misfit in column_limits.misfits(build(spec), spec, "mysql")]
    assert found == ([field] if field else [])
    assert list(column_limits.misfits(build(spec), spec, "postgresql")) == []


def test_a_schedule_is_evaluated_before_the_tenant_is_locked(
    deploy: Callable[..., Any], session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite that lock keeps everybody from writing, the scheduler too."""
    order: list[str] = []
    deploy(environment="staging")
    whole = column_limits.misfits

    def evaluate(*args: Any) -> Any:
        order.append("evaluated")
        return whole(*args)

    def executed(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("UPDATE platform", "INSERT INTO platform_deployment", "UPDATE serialized")):
            order.append("locked")

    monkeypatch.setattr(column_limits, "misfits", evaluate)
    event.listen(session.connection(), "before_cursor_execute", executed)
    assert deploy().status == 201
    assert order[0] == "evaluated"
    assert "locked" in order


def test_what_is_wrong_is_kept_by_every_database() -> None:
    assert "\0" not in loader._sentence(ValueError("a\0b\ud800"))
    loader._sentence(ValueError("a\ud800")).encode()


def test_a_deployment_that_is_deployed_again_well_comes_back(
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
