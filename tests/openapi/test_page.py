"""The page of the OpenAPI document."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from forms import log_in

from airflow_platform_plugin.openapi import document, views

URL = "/platform/api/"


@pytest.fixture(scope="module")
def browser(app: Any) -> Any:
    """Return a client that is logged in as a viewer."""
    return log_in(app, "viewer")


def test_the_page_needs_a_login(app: Any) -> None:
    answer = app.test_client().get(URL)
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


def test_every_logged_in_user_finds_the_page_in_the_menu(browser: Any) -> None:
    home = browser.get("/home").get_data(as_text=True)
    assert re.search(rf'href="{URL}"[^>]*>\s*API\s*<', home)


def test_the_page_contains_the_document(app: Any, browser: Any) -> None:
    """A further request might be refused: ``[api] auth_backends`` may accept no sessions."""
    page = browser.get(URL).get_data(as_text=True)
    shown = json.JSONDecoder().raw_decode(page.split("spec: ", 1)[1])[0]
    assert shown == document.build(app)


def test_the_page_works_without_the_internet_and_below_a_path(browser: Any) -> None:
    """This webserver serves its scripts and styles."""
    page = browser.get(URL, base_url="http://localhost/airflow").get_data(as_text=True)
    assert '"servers": [{"url": "/airflow"}]' in page
    sources = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    assert len([source for source in sources if "swagger-ui" in source]) == 2
    for source in sources:
        assert source.startswith("/airflow/")
        assert browser.get(source.removeprefix("/airflow")).status_code == 200


def test_a_browsers_session_is_enough_to_try_it_out(browser: Any) -> None:
    """No form token is needed; roles apply as usual."""
    assert browser.get("/api/v1/platform/api-keys").status_code == 200
    assert browser.post("/api/v1/platform/api-keys", json={}).status_code == 400
    assert browser.post("/api/v1/platform/tenants", json={}).status_code == 403


def test_an_operator_can_turn_the_page_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WEBSERVER__ENABLE_SWAGGER_UI", "False")
    views.install(Flask("bare"))  # adds nothing: it would need FAB
