"""Deployments in the usage of their connections."""

from collections.abc import Callable
from typing import Any

URL = "/api/v1/platform/connections"
Call = Callable[..., Any]


def used_by(request: Call, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request("GET", f"{URL}/{name}/usage").json["used_by"]["deployments"]
    return found


def make(call: Call, *names: str) -> None:
    for name in names:
        call("POST", URL, json={"connection_id": name, "connection_type": "http", "host": "x"})


def test_the_usage_of_a_connection_lists_deployments(call: Call, deploy: Call) -> None:
    """Only connections of current revisions of active deployments count, not other mentions of the name."""
    make(call, "lake", "lake_eu", "production")
    made = deploy(connections=["lake"]).json
    listed = {"deployment_id": made["id"], "datakit": made["datakit"], "dag_id": made["dag_id"]}
    assert used_by(call, "lake") == [listed]
    assert used_by(call, "lake_eu") == used_by(call, "production") == []
    refused = call("DELETE", f"{URL}/lake")
    assert (refused.status, refused.json["error"]["details"]["used_by"]["deployments"]) == (409, [listed])
    deploy(connections=["lake_eu"])
    assert (used_by(call, "lake"), used_by(call, "lake_eu")) == ([], [listed])
    assert call("DELETE", f"{URL}/lake").status == 204
    call("POST", f"/api/v1/datakits/deployments/{made['id']}/retire")
    assert used_by(call, "lake_eu") == []


def test_the_usage_does_not_list_deployments_of_another_tenant(
    call: Call, deploy: Call, as_tenant: Callable[[str], Call]
) -> None:
    make(call, "lake")
    deploy(connections=["lake"])
    assert used_by(as_tenant("other"), "lake") == []
    assert len(used_by(as_tenant("analytics-team"), "lake")) == 1
