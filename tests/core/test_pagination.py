"""Lists in any order, page by page."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from airflow_platform_plugin.http.schemas import PageQuery

LISTS = {
    "/api/v1/platform/tenants": "tenants",
    "/api/v1/platform/webhooks": "webhooks",
    "/api/v1/platform/api-keys": "api_keys",
    "/api/v1/datakits": "datakits",
    "/api/v1/datakits/deployments": "deployments",
}


def _folded(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@pytest.fixture
def three(call: Callable[..., Any], manifest: dict[str, Any]) -> None:
    """Three rows of each list."""
    for name in ("b", "c", "a"):
        webhook = {"name": name, "url": "https://example.com", "events": ["dag.success"]}
        call("POST", "/api/v1/platform/tenants", json={"tenant_id": name, "display_name": "same"})
        call("POST", "/api/v1/platform/webhooks", json=webhook)
        call("POST", "/api/v1/platform/api-keys", json={"name": name})
        call("POST", "/api/v1/datakits", json=manifest | {"name": name})
        call("POST", f"/api/v1/datakits/{name}/deploy", json={"environment": name})


@pytest.mark.parametrize(("path", "items"), LISTS.items())
def test_every_list_is_ordered_by_each_of_its_columns(
    call: Callable[..., Any], three: None, path: str, items: str
) -> None:
    """By the columns in the OpenAPI document, in both directions, and in the same order from page to page."""
    described = call("GET", "/api/v1/platform/openapi.json").json["paths"][path]["get"]["parameters"]
    (order_by,) = [parameter for parameter in described if parameter["name"] == "order_by"]
    for choice in order_by["schema"]["enum"]:
        whole = call("GET", path, query_string={"order_by": choice}).json[items]
        values = [item[choice.removeprefix("-")] for item in whole]
        given = [value for value in values if value is not None]
        # Capitals come before all small letters, or among them: databases differ in that.
        orders = [sorted(given, key=key, reverse=choice.startswith("-")) for key in (None, _folded)]
        assert given in orders, choice
        assert values[: len(given)] == given, "what has no value comes last"
        pages = [
            call("GET", path, query_string={"order_by": choice, "limit": 1, "offset": offset}).json[items]
            for offset in range(len(whole))
        ]
        assert [item for page in pages for item in page] == whole


def test_every_order_that_a_list_names_works(call: Callable[..., Any]) -> None:
    """A column that the model lacks would be an error 500."""
    paths = call("GET", "/api/v1/platform/openapi.json").json["paths"]
    lists = 0
    for path, operations in paths.items():
        named = {each["name"]: each for each in operations.get("get", {}).get("parameters", [])}
        if "order_by" in named and "{" not in path:
            lists += 1
            for choice in named["order_by"]["schema"]["enum"]:
                assert call("GET", path, query_string={"order_by": choice}).status == 200, (path, choice)
    assert lists >= len(LISTS)


def test_rows_with_equal_values_are_ordered_by_their_keys(call: Callable[..., Any], three: None) -> None:
    for choice in ("display_name", "-display_name"):
        found = call("GET", f"/api/v1/platform/tenants?order_by={choice}").json["tenants"]
        assert [tenant["tenant_id"] for tenant in found] == ["a", "b", "c"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("order_by", ["colour", "-", "", "name desc", "secret_hash", "metadata"])
def test_an_unknown_column_is_refused_by_name(call: Callable[..., Any], path: str, order_by: str) -> None:
    refused = call("GET", path, query_string={"order_by": order_by})
    assert refused.status == 400
    (error,) = refused.json["error"]["details"]["errors"]
    assert error["pointer"] == "/order_by"
    assert error["message"].startswith("Cannot order by this; known are: ")


@pytest.mark.parametrize("offset", [2**63 - 1, 2**63, 10**30])
def test_an_offset_beyond_everything_is_empty_or_refused(call: Callable[..., Any], offset: int) -> None:
    """No database gets a number that is too large for its type."""
    answer = call("GET", f"/api/v1/platform/tenants?offset={offset}")
    assert answer.status == (200 if offset < 2**63 else 400)


@pytest.mark.parametrize("maximum", [50, 1000])
def test_the_longest_page_is_airflows_own(maximum: int) -> None:
    """``[api] maximum_page_limit`` limits our lists and their default too."""
    code = (
        "from airflow_platform_plugin.http.schemas import PageQuery as Q; "
        f"print(Q().load({{}}).limit, Q().validate({{'limit': '{maximum}'}}), "
        f"list(Q().validate({{'limit': '{maximum + 1}'}})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"AIRFLOW__API__MAXIMUM_PAGE_LIMIT": str(maximum)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"{min(100, maximum)} {{}} ['limit']"
    assert PageQuery().load({}).limit == 100
