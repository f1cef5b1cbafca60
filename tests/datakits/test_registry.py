"""Kits of tenants, and the versions of a kit."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from airflow_platform_plugin.datakits.manifest import Manifest, json_schema
from airflow_platform_plugin.datakits.models import DataKit, DataKitName, DataKitTag
from airflow_platform_plugin.datakits.semantic_version import precedence

URL = "/api/v1/datakits"
NAME = "customer-360-datakit"


@pytest.mark.parametrize(
    "image",
    [
        "kit:1",
        "a/b/c:1.2.0-rc.1",
        "registry.localhost:5000/kits/c__d:1",
        "Registry.Example.com/kit:1",
        f"kit@sha256:{'a' * 64}",
        f"registry.localhost/kit:1.2.0@sha256:{'a' * 64}",
    ],
)
def test_an_image_is_an_oci_reference(call: Callable[..., Any], manifest: dict[str, Any], image: str) -> None:
    assert call("POST", URL, json=manifest | {"image": image}).status == 201


@pytest.mark.parametrize(
    "image",
    [
        "kit",
        "registry.localhost/kit",
        "Kit:1",
        "a//b:1",
        "/a:1",
        "a:1\n",
        "a:-1",
        "kit@sha256:abc",
        "https://a/b:1",
    ],
)
def test_an_image_without_a_tag_or_digest_is_refused(
    call: Callable[..., Any], manifest: dict[str, Any], image: str
) -> None:
    """Without tag and digest, an image name means whatever was pushed last."""
    refused = call("POST", URL, json=manifest | {"image": image})
    assert (refused.status, refused.json["error"]["details"]["errors"][0]["pointer"]) == (400, "/image")


@pytest.mark.parametrize(
    "option",
    [
        {"type": "string", "enum": []},
        {"type": "string", "enum": ["a", 1]},
        {"type": "string", "enum": ["a"], "default": "b"},
        {"type": "string", "minimum": 1},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "integer", "minimum": 2, "default": 1},
        {"type": "number", "maximum": 2, "default": 2.5},
        {"type": "string", "secret": True, "default": "s"},
        {"type": "string", "required": "yes"},
    ],
)
def test_an_inconsistent_option_is_refused(
    call: Callable[..., Any], manifest: dict[str, Any], option: dict[str, Any]
) -> None:
    refused = call("POST", URL, json=manifest | {"configuration": {"a": option}})
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"].startswith("/configuration/a")


def test_fields_of_an_option_that_are_not_given_are_not_stored(
    call: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """So a manifest from before the field ``enum`` is still the same manifest; given fields are stored."""
    said = {
        "type": "integer",
        "default": 1,
        "description": "",
        "enum": [1, 2],
        "minimum": 0,
        "required": True,
    }
    old = {"type": "string", "default": None, "description": ""}
    body = manifest | {"configuration": {"a": said, "b": {"type": "string"}}}
    assert call("POST", URL, json=body).json["configuration"] == {"a": said, "b": old}


@pytest.mark.parametrize("name", ["deployments", "schema"])
def test_a_reserved_name_is_refused(call: Callable[..., Any], manifest: dict[str, Any], name: str) -> None:
    refused = call("POST", URL, json=manifest | {"name": name})
    assert (refused.status, refused.json["error"]["details"]["errors"][0]["pointer"]) == (400, "/name")


def test_versions_are_sorted_as_in_semver() -> None:
    """The example is that of semver.org, 11.4."""
    ordered = (
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0"
    )
    versions = [*ordered.split(), "1.2.0", "1.10.0"]
    assert sorted([*versions[4:], *versions[:4]], key=precedence) == versions


def test_the_versions_of_a_kit_are_listed_newest_first(
    call: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    for version in ("1.9.0", "1.10.0", "1.10.0-rc.1"):
        call("POST", URL, json=manifest | {"version": version})
    answer = call("GET", f"{URL}/{NAME}@1.9.0/versions").json
    assert [kit["version"] for kit in answer["datakits"]] == ["1.10.0", "1.10.0-rc.1", "1.9.0"]
    assert answer["total_entries"] == 3
    second = call("GET", f"{URL}/{NAME}/versions?limit=1&offset=1").json
    assert ([kit["version"] for kit in second["datakits"]], second["total_entries"]) == (["1.10.0-rc.1"], 3)
    assert call("GET", f"{URL}/nothing/versions").status == 404


def test_a_kit_of_another_tenant_is_not_found(
    call: Callable[..., Any], as_tenant: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """It cannot be read, listed, withdrawn, deleted or deployed, and its name is taken."""
    blue, green = as_tenant("blue"), as_tenant("green")
    made = blue("POST", URL, json=manifest)
    assert (made.status, made.json["tenant_id"]) == (201, "blue")
    for kit in (made.json["id"], NAME, f"{NAME}@1.2.0"):
        assert green("GET", f"{URL}/{kit}").status == 404
        assert green("GET", f"{URL}/{kit}/versions").status == 404
        assert green("PATCH", f"{URL}/{kit}", json={"withdrawn": True}).status == 404
        assert green("DELETE", f"{URL}/{kit}").status == 404
        body = {"environment": "production", "namespace": "green"}
        assert green("POST", f"{URL}/{kit}/deploy", json=body).status == 404
    assert green("GET", URL).json["total_entries"] == 0
    assert green("POST", URL, json=manifest | {"version": "2.0.0"}).status == 409
    assert green("POST", URL, json=manifest | {"name": "x", "tenant_id": "blue"}).status == 400
    assert blue("GET", f"{URL}/{NAME}").json == made.json
    assert call("GET", f"{URL}?tenant_id=blue").json["total_entries"] == 1
    assert call("GET", f"{URL}?tenant_id=green").json["total_entries"] == 0


def test_a_kit_of_the_platform_is_read_by_all_tenants_and_changed_by_platform_admins(
    call: Callable[..., Any], as_tenant: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    blue = as_tenant("blue")
    made = call("POST", URL, json=manifest)
    assert made.json["tenant_id"] is None
    assert blue("GET", f"{URL}/{NAME}").json == made.json
    assert blue("PATCH", f"{URL}/{NAME}", json={"withdrawn": True}).status == 403
    assert blue("DELETE", f"{URL}/{NAME}").status == 403
    assert blue("POST", URL, json=manifest | {"version": "2.0.0"}).status == 409
    assert call("GET", f"{URL}/{NAME}").json == made.json


def test_a_later_version_belongs_to_the_tenant_of_the_first(
    call: Callable[..., Any], as_tenant: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    as_tenant("blue")("POST", URL, json=manifest)
    assert call("POST", URL, json=manifest | {"version": "2.0.0"}).json["tenant_id"] == "blue"


def test_a_withdrawn_version_cannot_be_deployed(call: Callable[..., Any], deploy: Callable[..., Any]) -> None:
    """Its deployments keep running, and the withdrawal can be undone."""
    first = deploy()
    withdrawn = call("PATCH", f"{URL}/{NAME}", json={"withdrawn": True, "reason": "eats data"})
    assert (withdrawn.status, withdrawn.json["withdrawn_reason"]) == (200, "eats data")
    assert withdrawn.json["withdrawn_at"] is not None
    refused = deploy()
    assert refused.status == 409
    assert "eats data" in refused.json["error"]["message"]
    assert call("GET", f"{URL}/deployments/{first.json['id']}").json["revision"] == 1
    back = call("PATCH", f"{URL}/{NAME}", json={"withdrawn": False})
    assert (back.json["withdrawn_at"], back.json["withdrawn_reason"]) == (None, None)
    assert deploy().status == 200


def test_a_name_means_the_newest_version_that_is_not_withdrawn(
    call: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    for version in ("1.0.0", "2.0.0"):
        call("POST", URL, json=manifest | {"version": version})
    call("PATCH", f"{URL}/{NAME}@2.0.0", json={"withdrawn": True})
    assert call("GET", f"{URL}/{NAME}").json["version"] == "1.0.0"


def test_a_withdrawal_checks_if_match(call: Callable[..., Any], manifest: dict[str, Any]) -> None:
    tag = call("POST", URL, json=manifest).headers["ETag"]
    change = {"json": {"withdrawn": True}, "headers": {"If-Match": tag}}
    assert call("PATCH", f"{URL}/{NAME}", **change).status == 200
    assert call("PATCH", f"{URL}/{NAME}", **change).status == 412


def test_a_version_with_a_deployment_cannot_be_deleted(
    call: Callable[..., Any], deploy: Callable[..., Any], manifest: dict[str, Any], session: Any
) -> None:
    """The name becomes free when its last version is deleted."""
    call("POST", URL, json=manifest | {"version": "1.0.0"})
    made = deploy(f"{NAME}@1.0.0").json
    refused = call("DELETE", f"{URL}/{NAME}@1.0.0")
    assert (refused.status, refused.json["error"]["details"]["deployments"]) == (409, [made["id"]])
    deploy(f"{NAME}@1.2.0")
    assert call("DELETE", f"{URL}/{NAME}@1.0.0").status == 204
    assert call("GET", f"{URL}/{NAME}@1.0.0").status == 404
    assert session.scalars(select(DataKitName.name)).all() == [NAME]


def test_a_deleted_kit_leaves_no_rows(
    call: Callable[..., Any], as_tenant: Callable[..., Any], manifest: dict[str, Any], session: Any
) -> None:
    call("POST", URL, json=manifest)
    assert call("DELETE", f"{URL}/{NAME}").status == 204
    for model in (DataKit, DataKitName, DataKitTag):
        assert session.scalars(select(model)).all() == []
    assert as_tenant("blue")("POST", URL, json=manifest).status == 201


def test_deleting_a_tenant_deletes_its_kits(
    call: Callable[..., Any], as_tenant: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    blue = as_tenant("blue")
    blue("POST", URL, json=manifest)
    body = {"environment": "production", "namespace": "blue"}
    assert blue("POST", f"{URL}/{NAME}/deploy", json=body).status == 201
    refused = call("DELETE", "/api/v1/platform/tenants/blue")
    assert set(refused.json["error"]["details"]["owned"]) == {"api_keys", "datakits", "deployments"}
    assert call("DELETE", "/api/v1/platform/tenants/blue?cascade=true").status == 204
    assert call("GET", URL).json["total_entries"] == 0


@pytest.mark.parametrize("search", ["100%", "a_b", "CUSTOMER"])
def test_search_treats_wildcards_as_letters(
    call: Callable[..., Any], manifest: dict[str, Any], search: str
) -> None:
    call("POST", URL, json=manifest | {"description": "100% of a_b"})
    call("POST", URL, json=manifest | {"name": "other", "description": "1000 of aab"})
    found = call("GET", URL, query_string={"search": search}).json["datakits"]
    assert [kit["name"] for kit in found] == [NAME]


def test_tags_that_differ_in_case_are_different(call: Callable[..., Any], manifest: dict[str, Any]) -> None:
    assert call("POST", URL, json=manifest | {"tags": ["a", "A", "a"]}).status == 201
    assert call("GET", f"{URL}?tags=a,A").json["total_entries"] == 1


def test_the_schema_of_a_manifest_is_published(
    call: Callable[..., Any], call_anonymously: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """Every authenticated user can read it, and the registry refuses what the schema refuses."""
    from jsonschema import Draft202012Validator

    assert call_anonymously("GET", f"{URL}/schema").status == 401
    schema = call("GET", f"{URL}/schema").json
    assert schema == json_schema()
    Draft202012Validator.check_schema(schema)
    check = Draft202012Validator(schema)
    assert check.is_valid(manifest)
    for change in ({"version": "1"}, {"image": "Kit"}, {"type": "x"}, {"colour": "red"}):
        assert not check.is_valid(manifest | change)
        assert call("POST", URL, json=manifest | change).status == 400


def test_a_manifest_from_before_a_rule_is_still_readable(manifest: dict[str, Any]) -> None:
    assert Manifest.model_validate(manifest | {"image": "kit"}).image == "kit"
