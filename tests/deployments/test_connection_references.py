"""Deployments in the usage of the connections that they hand to their kits."""

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


def test_what_is_handed_to_a_kit_is_in_use(call: Call, deploy: Call) -> None:
    """Not what a deployment merely says elsewhere, nor what another revision had, nor what is retired."""
    make(call, "lake", "lake_eu", "production")
    made = deploy(connections=["lake"]).json
    told = {"deployment_id": made["id"], "datakit": made["datakit"], "dag_id": made["dag_id"]}
    assert used_by(call, "lake") == [told]
    assert used_by(call, "lake_eu") == used_by(call, "production") == []
    refused = call("DELETE", f"{URL}/lake")
    assert (refused.status, refused.json["error"]["details"]["used_by"]["deployments"]) == (409, [told])
    deploy(connections=["lake_eu"])
    assert (used_by(call, "lake"), used_by(call, "lake_eu")) == ([], [told])
    assert call("DELETE", f"{URL}/lake").status == 204
    call("POST", f"/api/v1/datakits/deployments/{made['id']}/retire")
    assert used_by(call, "lake_eu") == []


def test_anothers_deployment_is_not_told(call: Call, deploy: Call, as_tenant: Callable[[str], Call]) -> None:
    make(call, "lake")
    deploy(connections=["lake"])
    assert used_by(as_tenant("other"), "lake") == []
    assert len(used_by(as_tenant("analytics-team"), "lake")) == 1
