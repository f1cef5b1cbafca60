"""Tenants over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

URL = "/api/v1/platform/tenants"


def test_the_reference_tenant_is_created_and_read_back(
    call: Callable[..., Any], tenant: dict[str, Any]
) -> None:
    """POST, GET and the list answer with all fields of the API reference's example."""
    created = call("POST", URL, json=tenant)
    assert created.status == 201
    assert {key: created.json[key] for key in tenant} == tenant
    assert call("GET", f"{URL}/analytics-team").json == created.json
    assert call("GET", URL).json == {"tenants": [created.json], "total_entries": 1}


def test_name_and_namespace_default_to_the_id(call: Callable[..., Any]) -> None:
    """A tenant needs only an id."""
    created = call("POST", URL, json={"tenant_id": "small"}).json
    assert (created["display_name"], created["namespace"]) == ("small", "small")


@pytest.mark.parametrize("change", [{"namespace": "other"}, {"tenant_id": "other"}])
def test_a_taken_id_or_namespace_is_a_conflict(
    call: Callable[..., Any], tenant: dict[str, Any], change: dict[str, str]
) -> None:
    """The second request writes nothing."""
    call("POST", URL, json=tenant)
    refused = call("POST", URL, json=tenant | change)
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert call("GET", URL).json["total_entries"] == 1


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"tenant_id": "Not_A_Slug"}, "/tenant_id"),
        ({"namespace": "a.b"}, "/namespace"),
        ({"resource_limits": {"cpu": "many"}}, "/resource_limits/cpu"),
        ({"resource_limits": {"cpu": "-1"}}, "/resource_limits/cpu"),
        ({"resource_limits": {"disks": "1"}}, "/resource_limits/disks"),
        ({"features": {"teleport": True}}, "/features/teleport"),
        ({"features": {"datakits": "yes"}}, "/features/datakits"),
        ({"admin_users": "alice"}, "/admin_users"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_an_invalid_field_is_named_and_nothing_is_written(
    call: Callable[..., Any], tenant: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    """The error has a pointer to the field."""
    refused = call("POST", URL, json=tenant | change)
    assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [error["pointer"] for error in refused.json["error"]["details"]["errors"]] == [pointer]
    assert call("GET", URL).json["total_entries"] == 0


def test_an_unknown_tenant_is_not_found(call: Callable[..., Any]) -> None:
    """The error has the id."""
    answer = call("GET", f"{URL}/nobody")
    assert (answer.status, answer.json["error"]["details"]) == (404, {"tenant_id": "nobody"})


def test_pages_are_stable_and_count_everything(call: Callable[..., Any]) -> None:
    """Tenants are ordered by id."""
    for name in ("c", "a", "b"):
        call("POST", URL, json={"tenant_id": name})
    page = call("GET", f"{URL}?limit=2&offset=1").json
    assert ([tenant["tenant_id"] for tenant in page["tenants"]], page["total_entries"]) == (["b", "c"], 3)


def test_the_reference_change_is_merged_key_by_key(call: Callable[..., Any], tenant: dict[str, Any]) -> None:
    """Given keys are set, others stay, and null removes a key."""
    call("POST", URL, json=tenant)
    change = {"resource_limits": {"cpu": "8000m", "memory": "32Gi"}, "features": {"gpu_support": True}}
    changed = call("PATCH", f"{URL}/analytics-team", json=change).json
    assert changed["resource_limits"] == {"cpu": "8000m", "memory": "32Gi", "storage": "100Gi"}
    assert changed["features"] == tenant["features"] | {"gpu_support": True}
    assert changed["metadata"] == tenant["metadata"]
    change = {"metadata": {"department": None}, "admin_users": ["carol@example.com"]}
    changed = call("PATCH", f"{URL}/analytics-team", json=change).json
    assert changed["metadata"] == {"cost_center": "CC-123", "environment": "production"}
    assert changed["admin_users"] == ["carol@example.com"]
    assert call("GET", f"{URL}/analytics-team").json == changed


@pytest.mark.parametrize(
    "change", [{"tenant_id": "x"}, {"features": {"teleport": True}}, {"metadata": {"a": 1}}]
)
def test_an_invalid_change_changes_nothing(
    call: Callable[..., Any], tenant: dict[str, Any], change: dict[str, Any]
) -> None:
    """Valid fields of the same request are not set either."""
    before = call("POST", URL, json=tenant).json
    assert call("PATCH", f"{URL}/analytics-team", json=change | {"display_name": "x"}).status == 400
    assert call("GET", f"{URL}/analytics-team").json == before
