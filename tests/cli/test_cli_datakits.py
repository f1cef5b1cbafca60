"""The ``datakits`` commands, and the requests that they send."""

import json
from pathlib import Path

import pytest
from command_line import Run
from fake_platform import FakePlatform
from reference_answers import DEPLOYMENT, KIT

pytestmark = pytest.mark.usefixtures("reference_routes")


def test_register_replaces_the_image(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """--image replaces the image of the file; all other fields are sent unchanged."""
    manifest = {"name": "k", "version": "1.0.0", "image": "a:1", "runner": "pod", "released": "2024-01-15"}
    path = tmp_path / "kit.yaml"
    path.write_text("\n".join(f"{key}: {value}" for key, value in manifest.items()))
    assert cli("datakits", "register", "--file", str(path), "--image", "b:2").status == 0
    assert platform.last.body == manifest | {"image": "b:2"}


def test_register_refuses_a_manifest_without_a_name(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A manifest without a required field exits with 2 and sends nothing."""
    path = tmp_path / "kit.yaml"
    path.write_text("version: 1.0.0")
    result = cli("datakits", "register", "--file", str(path))
    assert (result.status, f"{path} lacks name" in result.err) == (2, True)
    assert not platform.requests


def test_deploy_sends_all_options(cli: Run, platform: FakePlatform) -> None:
    """Each option is sent under its API name."""
    options = '--environment staging --schedule @daily --namespace analytics --config {"n":1}'
    cli("datakits", "deploy", KIT["name"], *options.split())
    assert platform.last.body == {
        "environment": "staging",
        "schedule": "@daily",
        "namespace": "analytics",
        "configuration": {"n": 1},
    }


def test_status_shows_each_deployment_with_its_status(cli: Run, platform: FakePlatform) -> None:
    """A deployment and its status are one row, filtered by kit and environment."""
    rows = json.loads(cli("datakits", "status", KIT["name"], "--environment", "production", "-o", "json").out)
    assert [(row["revision"], row["status"]) for row in rows] == [(3, "active")]
    assert platform.requests[0].query["datakit"] == [KIT["name"]]
    assert platform.requests[0].query["environment"] == ["production"]


def test_status_fails_only_for_unknown_kits(cli: Run, platform: FakePlatform) -> None:
    """A kit without deployments is fine; an unknown kit is an error."""
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": [], "total_entries": 0}
    platform.routes[("GET", "/api/v1/datakits/k")] = KIT
    assert cli("datakits", "status", "k").status == 0
    assert cli("datakits", "status", "unknown").status == 1


def test_deploy_resets_fields(cli: Run, platform: FakePlatform) -> None:
    """Fields that are not given are not sent; --reset sends null; --replace is sent."""
    command = ("datakits", "deploy", KIT["name"], "--environment", "staging")
    cli(*command, "--reset", "schedule", "--reset", "try_timeout")
    assert platform.last.body == {"environment": "staging", "schedule": None, "timeout": None}
    cli(*command, "--replace", "--schedule", "@daily")
    assert platform.last.body == {"environment": "staging", "schedule": "@daily", "replace": True}


@pytest.mark.parametrize("options", ["--reset colour", "--reset schedule --schedule @daily"])
def test_deploy_refuses_invalid_resets(options: str, cli: Run, platform: FakePlatform) -> None:
    """A field that cannot be reset, or that is given as well, exits with 2 and sends nothing."""
    assert cli("datakits", "deploy", KIT["name"], "--environment", "e", *options.split()).status == 2
    assert not platform.requests


def test_deploy_wait_prints_the_status_and_fails_with_the_deployment(
    cli: Run, platform: FakePlatform
) -> None:
    """Each new status goes to standard error; a deployment that Airflow cannot run exits with 1."""
    states = iter(["pending", "parsed", "active", "pending", "import_error"])
    platform.routes[("GET", "/api/v1/datakits/deployments/dep_1/status")] = lambda _: {
        "deployment_id": "dep_1",
        "status": (state := next(states)),
        "message": "ValueError: no" if state == "import_error" else None,
    }
    command = ("datakits", "deploy", KIT["name"], "--environment", "production", "--wait", "-o", "json")
    active = cli(*command)
    assert (active.status, active.err.split(), json.loads(active.out)["id"]) == (
        0,
        ["pending", "parsed", "active"],
        "dep_1",
    )
    failed = cli(*command)
    assert (failed.status, failed.out) == (1, "")
    assert "import_error: ValueError: no" in failed.err


@pytest.mark.parametrize(
    ("command", "option"),
    [("deploy", "--wait-timeout"), ("rollback", "--wait-timeout"), ("rollback", "--timeout")],
)
def test_wait_timeout_limits_the_wait(command: str, option: str, cli: Run, platform: FakePlatform) -> None:
    """A deployment that stays pending is an error after that many seconds."""
    platform.routes["GET", "/api/v1/datakits/deployments/dep_1/status"] = {
        "deployment_id": "dep_1",
        "status": "pending",
    }
    result = cli("datakits", command, KIT["name"], "--environment", "production", "--wait", option, "0.05")
    assert (result.status, "is still pending after 0.05 s" in result.err) == (1, True)


def test_deploy_has_no_option_timeout(cli: Run, platform: FakePlatform) -> None:
    """``--timeout`` could be taken for the timeout of each try, so it is refused."""
    command = ("datakits", "deploy", KIT["name"], "--environment", "production", "--timeout", "5")
    assert cli(*command).status == 2
    assert not platform.requests


def test_a_dry_run_does_not_wait(cli: Run, platform: FakePlatform) -> None:
    """--wait has no effect on a dry run, which deploys nothing."""
    cli("datakits", "deploy", KIT["name"], "--environment", "production", "--dry-run", "--wait")
    assert platform.last.body == {"environment": "production", "dry_run": True}


def test_rollback_finds_the_deployment_by_the_kits_name(cli: Run, platform: FakePlatform) -> None:
    """With several deployments, the error asks for the environment and namespace."""
    assert cli("datakits", "rollback", KIT["name"], "--version", "1.1.0", "--reason", "slow").status == 0
    assert platform.last.body == {"version": "1.1.0", "reason": "slow"}
    two = [DEPLOYMENT, DEPLOYMENT | {"environment": "staging"}]
    platform.routes[("GET", "/api/v1/datakits/deployments")] = {"deployments": two, "total_entries": 2}
    result = cli("datakits", "rollback", KIT["name"], "--version", "1.1.0")
    assert (result.status, "choose with --environment" in result.err) == (1, True)
