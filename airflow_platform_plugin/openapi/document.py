"""Build the OpenAPI document of every route that ``@endpoint`` declares.

Nothing is written twice: paths, parameters and bodies come from the declarations, summaries from the
handlers' docstrings, tags from the features' declarations, and errors from what an endpoint of that kind can
return. Examples are in the folder ``examples``, by ``operationId``.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

from apispec import APISpec
from flask import Flask

from airflow_platform_plugin import __version__
from airflow_platform_plugin.core.errors import CODES
from airflow_platform_plugin.core.feature import features
from airflow_platform_plugin.http.endpoint import Endpoint, declared
from airflow_platform_plugin.http.path_converters import NameWithSlashes
from airflow_platform_plugin.http.request_state import REQUEST_ID_HEADER
from airflow_platform_plugin.openapi import components
from airflow_platform_plugin.openapi.conversion import OpenApi, Plugin


class Operation(NamedTuple):
    """One declared route.

    Attributes:
        id: its ``operationId``: the handler's name.
        path: its path, as OpenAPI writes it.
        handler: the view.
        declared: its declaration.
        reserved: by name in the path, the words that it cannot be: other routes have them, for other methods.
        slashed: the names in the path that may have slashes.
    """

    id: str
    path: str
    handler: Callable[..., Any]
    declared: Endpoint
    reserved: dict[str, frozenset[str]]
    slashed: frozenset[str] = frozenset()

    @property
    def tag(self) -> str:
        """Return the tag of its feature, which may be in a package of the feature's own."""
        package = self.handler.__module__.rpartition(".")[0].removeprefix("airflow_platform_plugin.")
        while package:
            for each in features():
                if package == each.name:
                    return each.tag
            package = package.rpartition(".")[0]
        return self.handler.__module__.split(".")[-2]

    @property
    def parameters(self) -> list[str]:
        """Return the names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def successes(self) -> list[HTTPStatus]:
        """Return the statuses of success."""
        extra = (status for status in self.declared.extra_statuses if status < HTTPStatus.BAD_REQUEST)
        return sorted({self.declared.status, *extra})

    @property
    def failures(self) -> list[int]:
        """Return the statuses of failure: those of all endpoints of this kind, and those that it declares."""
        declared = self.declared
        possible = {
            400: bool(declared.body or declared.query or self.parameters),
            401: True,
            403: declared.scope is not None,
            404: bool(self.parameters),
            405: any(self.reserved.values()),
            409: declared.method != "GET" and declared.session,  # two requests may change the same resource
            413: declared.body is not None,
            415: declared.body is not None,
            429: True,
            500: True,
            503: True,
        } | {int(status): True for status in declared.extra_statuses if status >= 400}  # noqa: PLR2004 - HTTP
        return sorted(status for status, meets in possible.items() if meets)


def operations(app: Flask) -> Iterator[Operation]:
    """Yield every declared route, in the order of the declarations."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        declaration = declared(view)
        if declaration is not None:
            kinds = re.findall(r"<(\w+):(\w+)>", rule.rule)
            reserved = {
                name: getattr(app.url_map.converters[kind], "words", frozenset[str]()) for kind, name in kinds
            }
            slashed = frozenset(
                name for kind, name in kinds if issubclass(app.url_map.converters[kind], NameWithSlashes)
            )
            yield Operation(view.__name__, template(rule.rule), view, declaration, reserved, slashed)


def template(rule: str) -> str:
    """Return a path as OpenAPI writes it: ``/tenants/{tenant_id}`` for Flask's ``/tenants/<tenant_id>``."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def build(app: Flask, root: str = "") -> OpenApi:
    """Return the document as JSON.

    Args:
        app: Airflow's web application.
        root: the path of ``[webserver] base_url`` or of a proxy, without a slash at its end.
    """
    found = list(operations(app))
    tags = dict.fromkeys(operation.tag for operation in found)
    spec = APISpec(
        title="Airflow platform",
        version=__version__,
        openapi_version="3.0.3",
        plugins=[Plugin()],
        info={"description": components.DESCRIPTION, "contact": components.CONTACT},
        servers=[{"url": root or "/"}],
        tags=[{"name": tag, "description": _description(tag)} for tag in tags],
    )
    schemes = components.security_schemes(root, cookie=app.config["SESSION_COOKIE_NAME"])
    for name, scheme in schemes.items():
        spec.components.security_scheme(name, scheme)
    spec.components.header(REQUEST_ID_HEADER, components.REQUEST_ID)
    for name, schema in components.ERRORS.items():
        spec.components.schema(name, schema)
    for status in sorted({status for operation in found for status in operation.failures}):
        spec.components.response(CODES[status], components.error_response(status, CODES[status]))
    for operation in found:
        described = _describe(operation, schemes, _links(operation, found))
        spec.path(operation.path, operations={operation.declared.method.lower(): described})
    document: OpenApi = spec.to_dict()
    return document


def _description(tag: str) -> str:
    """Return the docstring of the feature with that tag."""
    names = [each.name for each in features() if each.tag == tag]
    return str(sys.modules[f"airflow_platform_plugin.{names[0]}"].__doc__) if names else ""


def _describe(operation: Operation, schemes: OpenApi, links: OpenApi) -> OpenApi:
    declared = operation.declared
    summary, _, more = (inspect.getdoc(operation.handler) or "").partition("\n\n")
    scope = [] if declared.scope is None else [declared.scope]
    needed = "Any valid credential is enough." if declared.scope is None else f"Scope: `{declared.scope}`."
    described: OpenApi = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
        "description": "\n\n".join([*([more] if more else []), needed]),
        "security": [{name: scope if scheme["type"] == "oauth2" else []} for name, scheme in schemes.items()],
        "parameters": [
            components.path_parameter(
                name, operation.reserved.get(name, ()), may_have_slash=name in operation.slashed
            )
            for name in operation.parameters
        ],
        "responses": {},
    }
    if declared.query:
        described["parameters"].append({"in": "query", "schema": declared.query})
    if declared.method == "POST" and declared.session:
        described["parameters"].append(components.IDEMPOTENCY_KEY)
    if HTTPStatus.PRECONDITION_FAILED in declared.extra_statuses:
        described["parameters"].append(components.IF_MATCH)
    if declared.body:
        content = {"schema": declared.body, **components.example(operation.id, "request")}
        described["requestBody"] = {"required": True, "content": {components.JSON: content}}
    for status in operation.successes:
        answer: OpenApi = {"description": status.phrase, "headers": components.HEADERS}
        if status != HTTPStatus.NO_CONTENT:
            schema = declared.response or {"type": "object"}
            answer["content"] = {
                components.JSON: {"schema": schema, **components.example(operation.id, "response")}
            }
            answer["content"] |= {media: {"schema": schema} for media in declared.media_types}
        if links:
            answer["links"] = links
        described["responses"][str(int(status))] = answer
    described["responses"] |= {str(status): CODES[status] for status in operation.failures}
    return described


def _links(operation: Operation, found: list[Operation]) -> OpenApi:
    """Return links from a created resource to every operation on its path and below it."""
    created = operation.declared.response
    if operation.declared.method == "GET" or created is None:
        return {}
    links = {}
    for item in found:
        shown = item.declared.response
        is_one_thing = item.declared.method == "GET" and item.path.endswith("}")
        if not is_one_thing or shown is None or not issubclass(created, shown):
            continue
        parameter = item.parameters[-1]
        field = parameter if parameter in created._declared_fields else "id"  # noqa: SLF001 - the fields of the class
        for other in found:
            below = other.path == item.path or other.path.startswith(f"{item.path}/")
            if below and other.parameters == [parameter] and other.id != operation.id:
                value = {parameter: f"$response.body#/{field}"}
                links[other.id] = {"operationId": other.id, "parameters": value}
    return links
