"""``ETag`` and ``If-Match``: no change is lost to one that was made from an older state."""

from collections.abc import Callable
from typing import Any

import pytest

TENANTS, WEBHOOKS = "/api/v1/platform/tenants", "/api/v1/platform/webhooks"
HOOK = {"name": "h", "url": "https://example.com/x", "events": ["dag.success"]}


@pytest.fixture(params=["tenant", "webhook"])
def versioned(request: pytest.FixtureRequest, call: Callable[..., Any]) -> tuple[str, str, dict[str, Any]]:
    """A stored object's path, its ETag at creation, and a change."""
    if request.param == "tenant":
        made = call("POST", TENANTS, json={"tenant_id": "a"})
        return f"{TENANTS}/a", made.headers["ETag"], {"display_name": "B"}
    made = call("POST", WEBHOOKS, json=HOOK)
    return f"{WEBHOOKS}/{made.json['webhook_id']}", made.headers["ETag"], {"name": "B"}


def test_a_change_made_from_an_older_state_is_refused(
    call: Callable[..., Any], versioned: tuple[str, str, dict[str, Any]]
) -> None:
    path, etag, change = versioned
    assert call("GET", path).headers["ETag"] == etag
    first = call("PATCH", path, json=change, headers={"If-Match": etag})
    assert first.status == 200
    assert first.headers["ETag"] != etag
    before = call("GET", path).json
    second = call("PATCH", path, json=change, headers={"If-Match": etag})
    assert (second.status, second.json["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert call("GET", path).json == before
    for condition in (first.headers["ETag"], "*", f'"0", {first.headers["ETag"]}'):
        again = call("PATCH", path, json=change, headers={"If-Match": condition})
        assert again.status == 200


def test_a_change_without_a_condition_is_made(
    call: Callable[..., Any], versioned: tuple[str, str, dict[str, Any]]
) -> None:
    path, _, change = versioned
    assert call("PATCH", path, json=change).status == 200


def test_two_changes_at_the_same_moment_are_a_conflict(
    call: Callable[..., Any],
    versioned: tuple[str, str, dict[str, Any]],
    session: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The UPDATE compares the version that was read: the slower request changes no row and fails."""
    from sqlalchemy import text

    from airflow_platform_plugin.http.endpoint import RequestContext

    path, _, change = versioned

    def meanwhile(_: RequestContext, row: Any) -> None:
        session.execute(text(f"UPDATE {row.__tablename__} SET row_version = row_version + 1"))  # noqa: S608

    monkeypatch.setattr(RequestContext, "require_match", meanwhile)
    answer = call("PATCH", path, json=change)
    assert (answer.status, answer.json["error"]["code"]) == (409, "CONFLICT")
