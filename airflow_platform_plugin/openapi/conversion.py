"""marshmallow's and pydantic's schemas in the words of OpenAPI 3.0.

3.0 rather than 3.1 because more programs read it, among them the Swagger UI of Airflow 2.11.0.
Where it differs from JSON Schema: null is no type but ``nullable``, a reference stands alone, the names
in a mapping have no schema of their own, and an exclusive bound is a flag.
"""

import inspect
from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.field_converter import DEFAULT_FIELD_MAPPING
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields, validate
from pydantic import BaseModel

from airflow_platform_plugin.http.fields import Email, JsonObject, Link
from airflow_platform_plugin.http.schemas import Document, ResponseSchema, Timestamp

OpenApi = dict[str, Any]

MAX_BYTES = "x-max-bytes"
NULL: OpenApi = {"type": "object", "nullable": True, "enum": [None]}
REFERENCE = "#/components/schemas/{model}"


class Converter(OpenAPIConverter):
    """apispec's converter, and what it does not say of our schemas and fields."""

    field_mapping = DEFAULT_FIELD_MAPPING | {
        Timestamp: ("string", "date-time"),
        Email: ("string", "email"),
        Link: ("string", "uri"),
    }

    def init_attribute_functions(self) -> None:
        """Ask our functions after apispec's own."""
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions += [
            _anchors,
            _exclusive_bounds,
            _known_names,
            _sizes,
            self.document2properties,
        ]

    def resolve_nested_schema(self, schema: type[Schema] | type[BaseModel] | Schema) -> OpenApi:
        """A reference to the component of a marshmallow schema, or of a pydantic model."""
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            self._add_component(schema.__name__, self.model2jsonschema(schema))
            return {"$ref": REFERENCE.format(model=schema.__name__)}
        return super().resolve_nested_schema(schema)  # type: ignore[no-any-return, no-untyped-call]

    def schema2jsonschema(self, schema: Schema) -> OpenApi:
        """A schema with its docstring; an answer has all of its fields, and those of a flat document."""
        converted: OpenApi = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        converted["description"] = inspect.getdoc(type(schema))
        if isinstance(schema, ResponseSchema):
            properties = converted["properties"]
            for name, field in schema.fields.items():
                if isinstance(field, Document) and field.flat:
                    properties |= properties.pop(name)["properties"]
            converted["required"] = list(properties)
        return converted

    def model2jsonschema(self, model: type[BaseModel]) -> OpenApi:
        """A pydantic model's schema; the models that it refers to become components."""
        schema = model.model_json_schema(ref_template=REFERENCE)
        for name, inner in schema.pop("$defs", {}).items():
            self._add_component(name, from_json_schema(inner))
        return from_json_schema(schema)

    def document2properties(self, field: fields.Field, **_: object) -> OpenApi:
        """A stored document as its model has it."""
        return self.model2jsonschema(field.model) if isinstance(field, Document) else {}

    def field2nullable(self, field: fields.Field, ret: OpenApi) -> OpenApi:
        """A field that may be null; apispec would let a reference's place take any object too."""
        if field.allow_none and ("$ref" in ret or "allOf" in ret):
            references = ret.pop("allOf", None) or [{"$ref": ret.pop("$ref")}]
            return {"anyOf": [*references, NULL]}
        return super().field2nullable(field, ret=ret)

    def _add_component(self, name: str, schema: OpenApi) -> None:
        if name not in self.spec.components.schemas:
            self.spec.components.schema(name, schema)


class Plugin(MarshmallowPlugin):
    """apispec's plugin with our converter."""

    Converter = Converter


def _anchors(_: fields.Field, ret: OpenApi) -> OpenApi:
    """ECMA-262, whose patterns OpenAPI has, knows no other anchors than these; its $ is no line's end."""
    pattern = ret.get("pattern")
    return {"pattern": pattern.replace(r"\A", "^").replace(r"\Z", "$")} if pattern else {}


def _exclusive_bounds(field: fields.Field, ret: OpenApi) -> OpenApi:
    found = {}
    for validator in field.validators:
        if isinstance(validator, validate.Range):
            if "minimum" in ret and not validator.min_inclusive:
                found["exclusiveMinimum"] = True
            if "maximum" in ret and not validator.max_inclusive:
                found["exclusiveMaximum"] = True
    return found


def _known_names(field: fields.Field, ret: OpenApi) -> OpenApi:
    """A mapping whose names are known is an object with those properties."""
    for validator in getattr(getattr(field, "key_field", None), "validators", []):
        if isinstance(validator, validate.OneOf):
            value = ret["additionalProperties"]
            return {"properties": dict.fromkeys(validator.choices, value), "additionalProperties": False}
    return {}


def _sizes(field: fields.Field, **_: object) -> OpenApi:
    """How long it may be; of a document as a whole too, for which OpenAPI has no word."""
    bound = getattr(field, "bound", None)
    if bound is None:
        return {}
    kind = {fields.List: "Items", fields.Dict: "Properties"}
    what = next((word for base, word in kind.items() if isinstance(field, base)), "Length")
    found: OpenApi = {f"max{what}": bound.max}
    if bound.min is not None:
        found[f"min{what}"] = bound.min
    if isinstance(field, JsonObject):
        found[MAX_BYTES] = field.most_bytes
        found["description"] = f"At most {field.most_bytes} bytes of JSON."
    return found


def from_json_schema(schema: OpenApi) -> OpenApi:
    """A schema as pydantic makes it, in OpenAPI 3.0's words, without the titles that repeat the names."""
    converted = {key: value for key, value in schema.items() if key not in _NOT_IN_OPENAPI}
    for key in ("items", "additionalProperties"):
        if isinstance(converted.get(key), dict):
            converted[key] = from_json_schema(converted[key])
    if "properties" in converted:
        converted["properties"] = {
            name: from_json_schema(inner) for name, inner in converted["properties"].items()
        }
    for pattern_schema in schema.get("patternProperties", {}).values():
        converted["additionalProperties"] = from_json_schema(pattern_schema)
    if "anyOf" in converted:
        converted |= _any_of([from_json_schema(option) for option in converted.pop("anyOf")])
    if "$ref" in converted and len(converted) > 1:
        # Without a default, which the properties there have themselves: generators of clients stumble over
        # one beside a reference.
        converted.pop("default", None)
        reference = {"$ref": converted.pop("$ref")}
        converted = {**converted, "allOf": [reference]} if converted else reference
    return converted


_NOT_IN_OPENAPI = ("title", "propertyNames", "patternProperties")


def _any_of(options: list[OpenApi]) -> OpenApi:
    wanted = [option for option in options if option != {"type": "null"}]
    if len(wanted) == len(options):
        return {"anyOf": options}
    if len(wanted) == 1 and "$ref" not in wanted[0]:
        return wanted[0] | {"nullable": True}
    return {"anyOf": [*wanted, NULL]}
