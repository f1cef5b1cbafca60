"""Compare responses with the OpenAPI document; all requests of the tests pass through here."""

from functools import cache
from typing import Any

from openapi_schema_validator import OAS30ReadValidator
from werkzeug.exceptions import HTTPException

from airflow_platform_plugin.core.errors import CODES
from airflow_platform_plugin.openapi import document


def check(app: Any, method: str, path: str, answer: Any) -> None:
    """Assert that the document has the operation's status, and that the response matches it."""
    try:
        rule, _ = app.url_map.bind("").match(path.partition("?")[0], method, return_rule=True)
    except HTTPException:
        return  # no such route
    whole = _document(app)
    operation = whole["paths"].get(document.template(rule.rule), {}).get(method.lower())
    if operation is None:
        return  # not ours
    response = operation["responses"].get(str(answer.status_code))
    assert response is not None, f"{method} {path}: {answer.status} is not in the OpenAPI document"
    if "$ref" in response:
        response = whole["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "content" not in response:
        assert answer.get_data() == b""
        return
    if answer.content_type in set(response["content"]) - {"application/json"}:
        return
    assert answer.content_type == "application/json"
    schema = response["content"]["application/json"]["schema"] | {"components": whole["components"]}
    if answer.status_code >= 400:
        assert answer.get_json()["error"]["code"] == CODES[answer.status_code]
    OAS30ReadValidator(schema, format_checker=OAS30ReadValidator.FORMAT_CHECKER).validate(answer.get_json())


_document = cache(document.build)
