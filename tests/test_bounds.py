"""Every input has a bound, which is enforced and is in the OpenAPI document."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import json_schemas
import pytest
from marshmallow import Schema, validate
from marshmallow import fields as plain
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.http import fields
from airflow_platform_plugin.http.body import load
from airflow_platform_plugin.http.schemas import InputSchema, QuerySchema
from airflow_platform_plugin.openapi import document

METHODS = {"get", "post", "put", "patch", "delete"}


def unbounded(field: Any, path: str, *, of_query: bool = False) -> Iterator[str]:
    """Yield the fields at and below ``path`` without a bound."""
    match field:
        case plain.Nested():
            yield from unbounded_of(field.schema, path)
        case fields.Items():
            yield from [] if field.bound.max else [path]
            yield from unbounded(field.inner, f"{path}[]", of_query=of_query)
        case fields.JsonObject():
            yield from [] if field.bound.max and field.most_bytes else [path]
            yield from unbounded(field.key_field, f"{path}{{name}}")
        case fields.Mapping():
            yield from [] if field.bound.max else [path]
            yield from unbounded(field.key_field, f"{path}{{name}}")
            yield from unbounded(field.value_field, f"{path}{{}}")
        case fields.Text() | fields.Moment():
            yield from [] if field.bound.max else [path]
        case fields.Choice() | fields.Flag():
            pass
        case fields.Whole() | fields.Number():
            ranges = [each for each in field.validators if isinstance(each, validate.Range)]
            is_bounded = any(each.min is not None and each.max is not None for each in ranges)
            yield from [] if is_bounded else [path]
        case _:
            yield f"{path}: a {type(field).__name__}, which is not a field of http.fields"


def unbounded_of(schema: Schema, path: str = "") -> Iterator[str]:
    """Yield the fields of a schema without a bound."""
    for name, field in schema.fields.items():
        yield from unbounded(field, f"{path}/{name}")


def test_every_field_of_every_input_has_a_bound(app: Any) -> None:
    """The test walks every body and query string of every endpoint."""
    found = []
    schemas = 0
    for operation in document.operations(app):
        body, query = operation.declared.body, operation.declared.query
        if body is not None and issubclass(body, BaseModel):
            schema = body.model_json_schema()
            found += [f"{body.__name__}{path}" for path in json_schemas.unbounded(schema, "", schema)]
        elif body is not None:
            assert not issubclass(body, QuerySchema), f"{body.__name__} is a body, not a query string"
            found += [f"{body.__name__}{path}" for path in unbounded_of(body())]
        if query is not None:
            assert issubclass(query, QuerySchema), f"{query.__name__} must be a QuerySchema"
            found += [f"{query.__name__}{path}" for path in unbounded_of(query())]
        schemas += (body is not None) + (query is not None)
    assert found == []
    assert schemas > 30


def parameters_and_bodies(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the schemas of parameters and bodies in the document, by operation."""
    for path in whole["paths"].values():
        for method in METHODS & path.keys():
            operation = path[method]
            for parameter in operation["parameters"]:
                yield f"{operation['operationId']} {parameter['in']} {parameter['name']}", parameter["schema"]
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                yield operation["operationId"], content["schema"]


def test_every_bound_is_in_the_document(app: Any) -> None:
    """This includes parameters of paths, query strings and headers."""
    whole = document.build(app)
    found = [
        f"{name}{path}"
        for name, schema in parameters_and_bodies(whole)
        for path in json_schemas.unbounded(schema, "", whole)
    ]
    assert found == []


class Part(InputSchema):
    """A part."""

    text = plain.String()


class Unbounded(InputSchema):
    """Fields that the walk must find."""

    text = plain.String()
    long = plain.String(validate=validate.Length(min=1))
    checked_late = plain.String(validate=validate.Length(max=9))
    number = plain.Integer(strict=True)
    share = plain.Float()
    flag = plain.Boolean()
    when = plain.AwareDateTime()
    mail = plain.Email()
    members = plain.List(fields.Flag())
    texts = fields.Items(plain.String(), most=2)
    names = fields.Mapping(keys=plain.String(), values=fields.Flag(), most=2)
    values = fields.Mapping(keys=fields.Text(most=2), values=plain.String(), most=2)
    nothing = fields.Mapping(keys=fields.Text(most=2), most=2)
    anything = plain.Dict()
    raw = plain.Raw()
    part = plain.Nested(Part)
    parts = fields.Items(plain.Nested(Part), most=2)


def test_the_walk_finds_a_field_without_a_bound() -> None:
    """Each kind of field, in each place."""
    found = {path.split(":")[0] for path in unbounded_of(Unbounded())}
    assert found == {
        *(f"/{name}" for name in ("text", "long", "checked_late", "number", "share", "flag", "when", "mail")),
        *("/members", "/texts[]", "/names{name}", "/values{}", "/nothing{}", "/anything", "/raw"),
        *("/part/text", "/parts[]/text"),
    }


class Model(BaseModel):
    """The same as a pydantic model."""

    text: str
    number: int | None
    members: list[bool]
    texts: dict[str, str]
    anything: Any
    document: dict[str, Any]


def test_the_walk_finds_a_schema_without_a_bound() -> None:
    schema = Model.model_json_schema()
    found = {path.split(":")[0] for path in json_schemas.unbounded(schema, "", schema)}
    assert found == {
        *("/text", "/number", "/members", "/texts{}", "/texts", "/anything", "/document", "/document{}"),
    }


def refused_at(body: Any, sent: Any) -> list[str]:
    """Return the pointers of a body's errors."""
    with pytest.raises((ValidationFailed, PydanticError)) as refused:
        body.model_validate(sent) if issubclass(body, BaseModel) else load(body, sent)
    if isinstance(refused.value, PydanticError):
        return ["".join(f"/{step}" for step in item["loc"]) for item in refused.value.errors()]
    return [error["pointer"] for error in refused.value.details["errors"]]


def test_a_value_beyond_a_bound_is_refused_with_its_place(app: Any) -> None:
    """Each bound of each body matches the OpenAPI document, and no other type is accepted."""
    whole = document.build(app)
    tried = 0
    for operation in document.operations(app):
        body = operation.declared.body
        if body is None:
            continue
        described = whole["paths"][operation.path][operation.declared.method.lower()]
        schema = described["requestBody"]["content"]["application/json"]["schema"]
        for pointer, sent in json_schemas.beyond(schema, whole):
            tried += 1
            at = refused_at(body, sent)
            # pydantic's pointers go on with the option of a union that was tried.
            assert any(found == pointer or found.startswith(f"{pointer}/") for found in at), (
                operation.id,
                pointer,
                json.dumps(sent)[:100],
                at,
            )
    assert tried > 500


@pytest.mark.parametrize(
    ("field", "taken", "refused"),
    [
        (
            fields.Whole(least=-5, most=99),
            ["5", "-5", "05"],
            ["", "5.0", "1e1", "+5", " 5", "5 ", "0x5", "1_0"],
        ),
        (fields.Whole(least=-5, most=99), [], ["\u0665", "\uff15", "9" * 5000, "100", ["1", "2"], "5\n"]),
        (
            fields.Number(least=0.5, most=9),
            ["1", "1.5", "0.5"],
            ["", "nan", "inf", "1e0", "5e-324", "\u0665", " 1"],
        ),
        (fields.Number(least=0.5, most=9), [], ["1_0", "0.4", "10", ["1", "2"], "1\n", "-1"]),
        (fields.Flag(), ["true", "false", "1", "0", "yes", "no"], ["", "maybe", "2", ["true", "true"]]),
    ],
)
def test_numbers_and_flags_of_a_query_string_are_plain_text(
    field: Any, taken: list[Any], refused: list[Any]
) -> None:
    """Only plain digits are numbers; other texts that Python accepts are refused."""
    schema = type("Query", (QuerySchema,), {"value": field})
    for value in taken:
        load(schema, {"value": value})
    for value in refused:
        with pytest.raises(ValidationFailed):
            load(schema, {"value": value})


@pytest.mark.parametrize(
    "value",
    [
        "9999-12-30T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "1969-12-31T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2038-01-19T03:14:08Z",
        "2024-01-01T00:00:00",
        "2024-01-01",
        "2024-01-01T00:00:00+99:99",
        "2024-01-01T00:00:00Z\n",
        "\uff12\uff10\uff12\uff14-01-01T00:00:00Z",
        "2024-01-01T00:00:00Z" + " " * 1000,
        "2024-01-01T00:00:00." + "0" * 100_000 + "Z",
        1704067200,
    ],
)
def test_a_time_that_some_database_cannot_store_is_refused(value: Any) -> None:
    schema = type("Body", (InputSchema,), {"at": fields.Moment()})
    assert load(schema, {"at": "2024-01-01T00:00:00+01:00"})
    with pytest.raises(ValidationFailed):
        load(schema, {"at": value})


@pytest.mark.parametrize(
    "text", ["a\nb", "a\rb", "\x1b[2J", "a\tb", "a\u2028b", "\u202etxt.exe", "\u2066a", "a\x7fb", "a\x85b"]
)
def test_a_name_must_be_one_line(text: str) -> None:
    """It cannot control a terminal or forge a line of a log. Letters of all languages are accepted."""
    schema = type("Body", (InputSchema,), {"name": fields.Line(most=50)})
    for good in ("Größe 😀", "名前", "e\u0301"):
        assert load(schema, {"name": good}) == {"name": good}
    with pytest.raises(ValidationFailed):
        load(schema, {"name": text})


def test_a_bound_is_checked_before_patterns_and_members() -> None:
    """No pattern runs on text that is too long; no member is checked in a list that is too long."""

    def fail(_: Any) -> None:
        raise AssertionError("looked at what is too long")

    text = fields.Text(most=5, validate=fail)
    members = {
        "text": text,
        "list": fields.Items(text, most=2),
        "mapping": fields.Mapping(keys=text, values=text, most=2),
        "document": fields.JsonObject(most_bytes=99, most=2, keys=text),
        "parts": fields.CommaSeparated(text, most=2),
    }
    schema = type("Body", (InputSchema,), members)
    many = {"a": "b", "c": "d", "e": "f"}
    sent = {"text": "x" * 6, "list": ["a"] * 3, "mapping": many, "document": many, "parts": "a,b,c"}
    with pytest.raises(ValidationFailed) as refused:
        load(schema, sent)
    assert [error["pointer"] for error in refused.value.details["errors"]] == [f"/{name}" for name in sent]


@pytest.mark.parametrize(
    ("method", "path", "headers", "pointer"),
    [
        ("GET", "/api/v1/platform/tenants/{long}", {}, "/tenant_id"),
        ("GET", "/api/v1/datakits/{long}", {}, "/datakit_id"),
        ("GET", "/api/v1/platform/connections/{long}", {}, "/connection_id"),
        ("GET", "/api/v1/platform/backfills/{long}", {}, "/backfill_id"),
        ("PATCH", "/api/v1/platform/tenants/bounded", {"If-Match": " " * 8000 + "x"}, "/If-Match"),
        ("PATCH", "/api/v1/platform/tenants/bounded", {"If-Match": '"' * 251}, "/If-Match"),
        ("POST", "/api/v1/platform/api-keys", {"Idempotency-Key": "k" * 256}, "/Idempotency-Key"),
        (
            "POST",
            "/api/v1/platform/api-keys",
            {"Idempotency-Key": "ключ".encode().decode("latin-1")},
            "/Idempotency-Key",
        ),
    ],
)
def test_names_in_paths_and_headers_have_a_bound(
    call: Callable[..., Any], method: str, path: str, headers: dict[str, str], pointer: str
) -> None:
    call("POST", "/api/v1/platform/tenants", json={"tenant_id": "bounded"})
    body = {"json": {"name": "d"} if "keys" in path else {"display_name": "d"}} if method != "GET" else {}
    answer = call(method, path.format(long="n" * 251), headers=headers, **body)
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["error"]["details"]["errors"]] == [pointer]
    assert call("GET", "/api/v1/platform/tenants/" + "n" * 250).status == 404


def test_merged_changes_stay_within_the_bound(call: Callable[..., Any]) -> None:
    """Several small changes cannot exceed the bound."""
    url = "/api/v1/platform/tenants"
    labels = {f"a{number}": "x" for number in range(100)}
    assert call("POST", url, json={"tenant_id": "merged", "metadata": labels}).status == 201
    more = call("PATCH", f"{url}/merged", json={"metadata": {"b": "x"}})
    assert (more.status, more.json["error"]["details"]["errors"][0]["pointer"]) == (400, "/metadata")
    assert call("PATCH", f"{url}/merged", json={"metadata": {"a0": None, "b": "x"}}).status == 200
    assert len(call("GET", f"{url}/merged").json["metadata"]) == 100


def test_the_largest_body_is_read_quickly(call: Callable[..., Any]) -> None:
    """No field is slow on values that are too long, too many or too deep."""
    fill = 900_000
    bodies = [
        ("/api/v1/datakits", {"requirements": {"cpu": "1" * fill}}),
        ("/api/v1/datakits", {"image": "a/" * (fill // 2)}),
        ("/api/v1/datakits", {"version": "1.0.0-" + "-" * fill}),
        ("/api/v1/datakits", {"tags": ["a"] * (fill // 5)}),
        ("/api/v1/datakits/kit/deploy", {"schedule": "1-59/1," * (fill // 7) + "1 * * * *"}),
        ("/api/v1/datakits/kit/deploy", {"notifications": {"on_failure": ["a@b.cc"] * (fill // 10)}}),
        ("/api/v1/datakits/kit/deploy", {"start_date": "2024-01-01T00:00:00." + "0" * fill}),
        ("/api/v1/platform/api-keys", {"name": "k", "allowed_dags": {"dag_ids": ["a*"] * (fill // 6)}}),
        ("/api/v1/platform/api-keys", {"name": "k", "allowed_networks": ["10.0.0.0/8"] * (fill // 14)}),
        ("/api/v1/platform/webhooks", {"url": "http://" + "a." * (fill // 2)}),
        ("/api/v1/platform/webhooks", {"headers": {f"x{i}": "" for i in range(fill // 16)}}),
        ("/api/v1/platform/tenants", {"resource_limits": {"cpu": "1" * fill}}),
        ("/api/v1/platform/connections", {"extra": {f"x{i}": "" for i in range(fill // 16)}}),
    ]
    for path, body in bodies:
        started = time.process_time()
        answer = call("POST", path, json=body)
        assert answer.status == 400, path
        assert time.process_time() - started < 3, path  # milliseconds, where it was minutes
