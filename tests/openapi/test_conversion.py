"""marshmallow's and pydantic's schemas, converted to OpenAPI 3.0. Pure."""

from typing import Annotated, Any, Literal

import pytest
from apispec import APISpec
from marshmallow import fields, validate
from openapi_schema_validator import OAS30WriteValidator
from pydantic import BaseModel, ConfigDict, Field

from airflow_platform_plugin.http.fields import DNS_LABEL
from airflow_platform_plugin.http.schemas import Document, InputSchema, ResponseSchema, Timestamp
from airflow_platform_plugin.openapi.conversion import Plugin


class Part(BaseModel):
    """A part."""

    size: int


class Whole(BaseModel):
    """A document."""

    model_config = ConfigDict(extra="forbid")

    part: Part | None = None
    parts: dict[Annotated[str, Field(pattern="^[a-z]+$")], Part] = {}
    either: int | str = 0
    kind: Literal["a", "b"] = "a"
    default: str | None = None


class PartInput(InputSchema):
    """A part."""

    size = fields.Integer(required=True)


class WholeInput(InputSchema):
    """A request."""

    name = fields.String(required=True, validate=DNS_LABEL)
    part = fields.Nested(PartInput, allow_none=True)
    share = fields.Float(validate=validate.Range(min=0, min_inclusive=False, max=1))
    limits = fields.Dict(keys=fields.String(validate=validate.OneOf(["cpu", "gpu"])), values=fields.String())


class WholeAnswer(ResponseSchema):
    """A response."""

    id = fields.String()
    at = Timestamp(allow_none=True)
    document = Document(Whole, flat=True)


@pytest.fixture
def fits() -> Any:
    """Return a function that checks a value against a converted schema."""

    def check(schema: Any, value: Any) -> bool:
        plugin = Plugin()
        spec = APISpec(title="t", version="1", openapi_version="3.0.3", plugins=[plugin])
        reference = plugin.converter.resolve_nested_schema(schema)
        whole = reference | {"components": {"schemas": spec.to_dict()["components"]["schemas"]}}
        OAS30WriteValidator.check_schema(whole)
        return bool(OAS30WriteValidator(whole).is_valid(value))

    return check


@pytest.mark.parametrize(
    ("value", "fit"),
    [
        ({}, True),
        ({"part": None, "default": None}, True),
        ({"part": {"size": 1}, "parts": {"a": {"size": 2}}, "either": "x"}, True),
        ({"part": {}}, False),
        ({"part": 1}, False),
        ({"parts": {"a": {"size": "2"}}}, False),
        ({"either": None}, False),
        ({"kind": "c"}, False),
        ({"other": 1}, False),
    ],
)
def test_a_converted_model_accepts_the_same_values(fits: Any, value: dict[str, Any], *, fit: bool) -> None:
    """The converted schema and pydantic agree."""
    assert fits(Whole, value) is fit


@pytest.mark.parametrize(
    ("value", "fit"),
    [
        ({"name": "a-1", "part": None}, True),
        ({"name": "a", "part": {"size": 1}, "share": 1, "limits": {"gpu": "1"}}, True),
        ({"name": "A"}, False),
        ({"name": "a", "part": {"other": 1}}, False),
        ({"name": "a", "share": 0}, False),
        ({"name": "a", "limits": {"disks": "1"}}, False),
        ({"part": None}, False),
    ],
)
def test_a_converted_schema_accepts_the_same_values(fits: Any, value: dict[str, Any], *, fit: bool) -> None:
    """The converted schema and marshmallow agree."""
    assert fits(WholeInput, value) is fit
    assert (WholeInput().validate(value) == {}) is fit


def test_all_fields_of_a_response_are_required(fits: Any) -> None:
    """Also those of a flat document."""
    document = Whole(part=Part(size=1)).model_dump()
    answer = WholeAnswer().dump({"id": "x", "at": None, "document": document})
    assert answer == {"id": "x", "at": None} | document
    assert fits(WholeAnswer, answer)
    for name in answer:
        assert not fits(WholeAnswer, {key: value for key, value in answer.items() if key != name})
