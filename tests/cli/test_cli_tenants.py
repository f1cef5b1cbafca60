"""The ``tenants`` and ``webhooks`` commands, and the requests that they send."""

import json
from pathlib import Path

import yaml
from command_line import Run
from fake_platform import FakePlatform


def test_a_tenant_is_created_listed_and_shown(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """A tenant is created from a file."""
    tenant = {"tenant_id": "analytics-team", "resource_limits": {"cpu": "4000m"}}
    path = tmp_path / "tenant.json"
    path.write_text(json.dumps(tenant))
    platform.answer(201, tenant)
    platform.answer(200, {"tenants": [tenant], "total_entries": 1})
    platform.answer(200, tenant)
    assert cli("tenants", "create", "--file", str(path)).status == 0
    assert platform.last.body == tenant
    assert "analytics-team" in cli("tenants", "list").out
    assert '{"cpu": "4000m"}' in cli("tenants", "get", "analytics-team").out


def test_a_tenant_is_updated_from_a_file(cli: Run, platform: FakePlatform, tmp_path: Path) -> None:
    """Only the fields of the file are sent, including null; another tenant's file is refused."""
    change = {"features": {"gpu_support": True, "datakits": None}}
    path = tmp_path / "tenant.yaml"
    path.write_text(yaml.safe_dump({"tenant_id": "analytics-team", **change}))
    platform.answer(200, {"tenant_id": "analytics-team", "features": {"gpu_support": True}})
    assert cli("tenants", "update", "analytics-team", "--file", str(path)).status == 0
    assert (platform.last.method, platform.last.body) == ("PATCH", change)
    refused = cli("tenants", "update", "other-team", "--file", str(path))
    assert (refused.status, "another tenant" in " ".join(refused.err.split())) == (2, True)


def test_a_tenants_usage_is_shown_and_the_tenant_deleted(cli: Run, platform: FakePlatform) -> None:
    platform.answer(200, {"tenant_id": "t", "left": {"cpu": "-1"}, "owned": {"webhooks": 2}})
    assert '{"webhooks": 2}' in cli("tenants", "usage", "t").out
    assert platform.last.path == "/api/v1/platform/tenants/t/usage"
    platform.answer(204, None)
    assert cli("tenants", "delete", "t", "--cascade").status == 0
    assert (platform.last.method, platform.last.query) == ("DELETE", {"cascade": ["true"]})


def test_members_of_a_tenant_are_set_listed_and_removed(cli: Run, platform: FakePlatform) -> None:
    """A user name may have any characters; groups are named on standard error."""
    member = {"username": "a/b c@d", "role": "member", "source": "group", "editable": False}
    platform.answer(201, member)
    added = cli("tenants", "members", "set", "t", "a/b c@d", "--role", "member")
    assert (added.status, "a/b c@d" in added.out) == (0, True)
    assert platform.last.path == "/api/v1/platform/tenants/t/members/a%2Fb%20c%40d"
    assert (platform.last.method, platform.last.body) == ("PUT", {"role": "member"})
    groups = [{"group": "cn=ops", "role": "member"}]
    page = {"members": [member], "groups": groups, "total_entries": 1}
    platform.answer(200, page)
    listed = cli("tenants", "members", "list", "t", "--role", "member", "--search", "b c")
    assert platform.last.query == {"role": ["member"], "search": ["b c"]}
    assert listed.out.split()[:4] == ["username", "role", "source", "editable"]
    assert "'cn=ops' are members" in listed.err
    platform.answer(200, page)
    assert json.loads(cli("tenants", "members", "list", "t", "-o", "json").out) == [member]
    platform.answer(204, None)
    removed = cli("tenants", "members", "remove", "t", "a/b c@d", "-o", "json")
    assert json.loads(removed.out) == {"tenant_id": "t", "username": "a/b c@d", "removed": True}
    assert platform.last.method == "DELETE"


def test_a_role_that_does_not_exist_is_refused(cli: Run, platform: FakePlatform) -> None:
    """Nothing is sent."""
    assert cli("tenants", "members", "set", "t", "u", "--role", "owner").status == 2
    assert platform.requests == []


def test_a_webhook_is_created_listed_and_deleted(cli: Run, platform: FakePlatform) -> None:
    """``create`` shows the secret."""
    webhook = {"webhook_id": "wh_1", "name": "n", "url": "https://a", "events": ["dag.success"]}
    platform.answer(201, webhook | {"secret": "whsec_1"})
    platform.answer(200, {"webhooks": [webhook], "total_entries": 1})
    platform.answer(204, b"")
    created = cli("webhooks", "create", "--name", "n", "--url", "https://a", "--events", "dag.success,b")
    assert "whsec_1" in created.out
    assert platform.last.body["events"] == ["dag.success", "b"]
    assert "dag.success" in cli("webhooks", "list").out
    assert cli("webhooks", "delete", "wh_1").status == 0
