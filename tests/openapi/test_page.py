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
    """A client that is logged in as somebody who may only look."""
    return log_in(app, "viewer")


def test_the_page_needs_a_login(app: Any) -> None:
    answer = app.test_client().get(URL)
    assert answer.status_code == 302
    assert "/login/" in answer.headers["Location"]


def test_everybody_who_is_logged_in_finds_it_in_the_menu(browser: Any) -> None:
    home = browser.get("/home").get_data(as_text=True)
    assert re.search(rf'href="{URL}"[^>]*>\s*API\s*<', home)


def test_the_page_holds_the_document(app: Any, browser: Any) -> None:
    """No further request is needed for it, which ``[api] auth_backends`` might refuse to a browser."""
    page = browser.get(URL).get_data(as_text=True)
    shown = json.JSONDecoder().raw_decode(page.split("spec: ", 1)[1])[0]
    assert shown == document.build(app)


def test_the_page_works_without_the_internet_and_below_a_path(browser: Any) -> None:
    """Its scripts and styles come from this webserver, and are there."""
    page = browser.get(URL, base_url="http://localhost/airflow").get_data(as_text=True)
    assert '"servers": [{"url": "/airflow"}]' in page
    sources = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', page)
    assert len([source for source in sources if "swagger-ui" in source]) == 2
    for source in sources:
        assert source.startswith("/airflow/")
        assert browser.get(source.removeprefix("/airflow")).status_code == 200


def test_a_browsers_session_is_enough_to_try_it_out(browser: Any) -> None:
    """No form token is asked for; roles count as ever."""
    assert browser.get("/api/v1/platform/api-keys").status_code == 200
    assert browser.post("/api/v1/platform/api-keys", json={}).status_code == 400
    assert browser.post("/api/v1/platform/tenants", json={}).status_code == 403


def test_an_operator_who_wants_no_swagger_ui_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WEBSERVER__ENABLE_SWAGGER_UI", "False")
    views.install(Flask("bare"))  # adds nothing, or it would miss FAB here
