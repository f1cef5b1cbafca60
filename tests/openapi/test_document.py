"""The OpenAPI document: valid, complete, and the same each time."""

import json
import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from airflow.configuration import conf
from openapi_schema_validator import OAS30WriteValidator
from openapi_spec_validator import validate

from airflow_platform_plugin import __version__
from airflow_platform_plugin.auth import service
from airflow_platform_plugin.core import scopes
from airflow_platform_plugin.core.errors import CODES
from airflow_platform_plugin.openapi import components, document

URL = "/api/v1/platform/openapi.json"


@pytest.fixture
def described(app: Any) -> dict[str, Any]:
    """The document."""
    return document.build(app)


def operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The document's operations by their ids."""
    found = [operation for path in described["paths"].values() for operation in path.values()]
    by_id = {operation["operationId"]: operation for operation in found}
    assert len(by_id) == len(found)
    return by_id


def test_the_document_is_valid(described: dict[str, Any]) -> None:
    """By the OpenAPI Initiative's own schema of OpenAPI 3.0."""
    validate(described)
    assert described["info"]["version"] == __version__


def test_the_document_is_the_same_each_time(app: Any, described: dict[str, Any]) -> None:
    """Also in its order: clients that are generated from it do not change without a reason."""
    assert json.dumps(document.build(app)) == json.dumps(described)


def test_no_two_schemas_share_a_name(app: Any) -> None:
    """Apispec would add numbers to their names, which a third schema would change."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document.build(app)


def test_every_endpoint_is_described(app: Any, described: dict[str, Any]) -> None:
    """With its handler's name, a summary of one sentence, and the tag of its feature."""
    by_id = operations(described)
    declared = list(document.operations(app))
    assert {operation.id for operation in declared} == set(by_id)
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    for operation in by_id.values():
        assert operation["summary"]
        assert "\n" not in operation["summary"]
        assert tags[operation["tags"][0]]


def test_every_endpoint_names_the_scope_that_it_needs(app: Any, described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    for flow in schemes["OAuth2"]["flows"].values():
        assert list(flow["scopes"]) == list(scopes.known())
    by_id = operations(described)
    for operation in document.operations(app):
        needed = [] if operation.declared.scope is None else [operation.declared.scope]
        assert {"OAuth2": needed} in by_id[operation.id]["security"]
        assert {"ApiKey": []} in by_id[operation.id]["security"]


def test_an_endpoint_lists_the_errors_that_it_can_return(described: dict[str, Any]) -> None:
    by_id = operations(described)
    always = {"401", "429", "500", "503"}
    assert set(by_id["get_openapi"]["responses"]) == {"200"} | always
    assert set(by_id["list_tenants"]["responses"]) == {"200", "400", "403"} | always
    assert set(by_id["get_tenant"]["responses"]) == {"200", "400", "403", "404"} | always
    assert set(by_id["create_tenant"]["responses"]) == {"201", "400", "403", "409", "413", "415"} | always
    assert {"404", "504"} <= set(by_id["execute_query"]["responses"])
    assert {"200", "201"} <= set(by_id["register_datakit"]["responses"])


@pytest.mark.parametrize(("status", "code"), CODES.items())
def test_an_errors_code_is_that_of_its_status(described: dict[str, Any], status: int, code: str) -> None:
    """The description names it, and every test of a response checks it (conformance.py)."""
    if code not in described["components"]["responses"]:
        assert code == "NOT_ACCEPTABLE"  # only stock endpoints return it
        return
    response = described["components"]["responses"][code]
    assert response["description"].endswith(f": `{code}`")
    name = response["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert name == ("ValidationError" if status == 400 else "Error")
    error = described["components"]["schemas"][name]["properties"]["error"]
    assert code in error["properties"]["code"]["enum"]


def test_every_component_is_used(described: dict[str, Any]) -> None:
    """Generators would make a class of an unused one."""
    text = json.dumps(described)
    for kind in ("schemas", "responses", "headers"):
        for name in described["components"][kind]:
            assert f'"$ref": "#/components/{kind}/{name}"' in text, name


def test_no_reference_has_a_default_next_to_it(described: dict[str, Any]) -> None:
    """A client generator left out an endpoint that had one."""

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            assert not (part.get("default") and part.keys() & {"allOf", "anyOf", "$ref"}), part
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else []:
            walk(inner)

    walk(described)


def test_every_operation_is_explained(described: dict[str, Any]) -> None:
    assert described["info"]["contact"]
    for operation in operations(described).values():
        assert operation["description"]


def test_every_example_is_shown_and_fits_its_schema(described: dict[str, Any]) -> None:
    """A file has the name of an operation or an error, and its content is valid."""
    by_id = operations(described) | described["components"]["responses"]
    files = sorted(components.EXAMPLES.glob("*.json"))
    assert {file.stem for file in files} <= set(by_id)
    for file in files:
        for which, example in json.loads(file.read_text(encoding="utf-8")).items():
            found = by_id[file.stem]
            if which == "request":
                found = found["requestBody"]
            elif "responses" in found:
                found = found["responses"]["200"]
            content = found["content"]["application/json"]
            assert content["example"] == example
            schema = content["schema"] | {"components": described["components"]}
            OAS30WriteValidator(schema).validate(example)


def test_a_created_resource_links_to_its_operations(described: dict[str, Any]) -> None:
    """A client that follows the links needs to know no path."""
    by_id = operations(described)
    made = by_id["register_datakit"]["responses"]["201"]["links"]
    assert {"get_datakit", "deploy_datakit"} <= set(made)
    assert made["deploy_datakit"]["parameters"] == {"datakit_id": "$response.body#/id"}
    deployed = by_id["deploy_datakit"]["responses"]["201"]["links"]
    assert {"get_deployment", "get_deployment_status"} <= set(deployed)
    subscribed = by_id["create_webhook"]["responses"]["201"]["links"]
    assert {"get_webhook", "delete_webhook"} <= set(subscribed)


def test_the_operators_own_ways_to_authenticate_are_described(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A browser's session and a password are there where ``[api] auth_backends`` has them."""
    assert "Session" in document.build(app)["components"]["securitySchemes"]
    monkeypatch.setenv(
        "AIRFLOW__API__AUTH_BACKENDS", "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"
    )
    assert "basic_auth" in conf.get("api", "auth_backends")
    found = document.build(app)["components"]["securitySchemes"]
    assert set(found) == {"ApiKey", "Bearer", "OAuth2", "Basic"}


@pytest.mark.parametrize("limits", [{}, {"scopes": []}, {"allowed_dags": {"dag_ids": ["a"], "tags": []}}])
def test_every_authenticated_caller_may_read_the_document(
    app: Any, session: Any, user_id: Callable[[str], int], limits: dict[str, Any]
) -> None:
    """Also with a key without scopes; an anonymous caller may not."""
    _, key = service.issue(session, name="k", user_id=user_id("viewer"), **limits)
    answer = app.test_client().get(URL, headers={"X-API-Key": key})
    assert answer.status_code == 200
    assert answer.get_json() == document.build(app)
    assert app.test_client().get(URL).status_code == 401


def test_urls_begin_with_the_path_of_the_webserver(app: Any, call: Callable[..., Any]) -> None:
    """The path of ``[webserver] base_url``, such as https://example.com/airflow."""
    found = call("GET", URL, base_url="http://localhost/airflow").json
    assert found["servers"] == [{"url": "/airflow"}]
    flows = found["components"]["securitySchemes"]["OAuth2"]["flows"]
    assert flows["clientCredentials"]["tokenUrl"] == "/airflow/oauth/token"


def test_reserved_names_are_documented(described: dict[str, Any]) -> None:
    """No kit can have such a name in a path: the pattern excludes it, and the response is 405."""
    operation = described["paths"]["/api/v1/datakits/{datakit_id}/deploy"]["post"]
    (kit,) = [part for part in operation["parameters"] if part["name"] == "datakit_id"]
    assert re.search(kit["schema"]["pattern"], "deployments") is None
    assert re.search(kit["schema"]["pattern"], "deployments-2")
    assert "405" in operation["responses"]
    assert "405" not in described["paths"]["/api/v1/platform/tenants/{tenant_id}"]["get"]["responses"]
