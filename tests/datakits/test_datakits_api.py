"""The registry over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

URL = "/api/v1/datakits"
NAME = "customer-360-datakit"


def test_the_reference_datakit_is_registered_and_read_back(
    call: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    """The response has the manifest as it was sent: by id, by name, and by name@version."""
    created = call("POST", URL, json=manifest)
    assert created.status == 201
    assert {key: created.json[key] for key in manifest} == manifest
    for datakit_id in (created.json["id"], NAME, f"{NAME}@1.2.0"):
        assert call("GET", f"{URL}/{datakit_id}").json == created.json


def test_the_example_of_the_sdk_has_all_required_fields(call: Callable[..., Any]) -> None:
    body = {
        "name": "customer-etl",
        "version": "1.0.0",
        "image": "registry.localhost/datakits/customer-etl:1.0.0",
        "inputs": [{"name": "customers", "type": "table"}],
        "outputs": [{"name": "dim_customer", "type": "table"}],
    }
    assert call("POST", URL, json=body).status == 201


def test_a_version_never_changes(call: Callable[..., Any], manifest: dict[str, Any]) -> None:
    """The same manifest again returns 200 and the same object; another one is a conflict."""
    first = call("POST", URL, json=manifest)
    again = call("POST", URL, json=manifest)
    assert (again.status, again.json) == (200, first.json)
    refused = call("POST", URL, json=manifest | {"description": "Other"})
    assert (refused.status, refused.json["error"]["code"]) == (409, "CONFLICT")
    assert call("GET", f"{URL}/{NAME}").json == first.json


def test_a_name_means_its_newest_version(call: Callable[..., Any], manifest: dict[str, Any]) -> None:
    """The order is that of semantic versioning, where a release follows its candidates."""
    for version in ("1.10.0", "1.9.0", "1.10.0-rc.1"):
        call("POST", URL, json=manifest | {"version": version})
    assert call("GET", f"{URL}/{NAME}").json["version"] == "1.10.0"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Not A Name"}, "/name"),
        ({"version": "1.2"}, "/version"),
        ({"version": 1}, "/version"),
        ({"image": ""}, "/image"),
        ({"type": "other"}, "/type"),
        ({"inputs": [{"type": "table"}]}, "/inputs/0/name"),
        ({"inputs": [{"name": "a", "colour": "red"}]}, "/inputs/0/colour"),
        ({"configuration": {"a": {"type": "date"}}}, "/configuration/a/type"),
        ({"configuration": {"a": {"type": "integer", "default": "1"}}}, "/configuration/a"),
        ({"requirements": {"cpu": "many"}}, "/requirements/cpu"),
        ({"requirements": {"gpu": "yes"}}, "/requirements/gpu"),
        ({"tags": "a"}, "/tags"),
        ({"command": ["rm", "-rf", "/"]}, "/command"),
    ],
)
def test_an_invalid_manifest_is_refused_with_its_field(
    call: Callable[..., Any], manifest: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    refused = call("POST", URL, json=manifest | change)
    assert (refused.status, refused.json["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == pointer
    assert call("GET", URL).json["total_entries"] == 0


def test_the_list_is_filtered_by_type_tags_and_search(
    call: Callable[..., Any], manifest: dict[str, Any]
) -> None:
    call("POST", URL, json=manifest)
    call("POST", URL, json=manifest | {"name": "load", "type": "ingestion", "tags": ["raw"]})

    def names(query: str) -> list[str]:
        return [kit["name"] for kit in call("GET", f"{URL}?{query}").json["datakits"]]

    assert names("") == [NAME, "load"]
    assert names("type=ingestion") == ["load"]
    assert names("tags=customer,analytics") == names("tags=customer&tags=analytics") == [NAME]
    assert names("tags=customer,raw") == []
    assert names("search=CUSTOMER-360") == [NAME]
    assert names("limit=1&offset=1") == ["load"]
