"""Convert marshmallow's and pydantic's schemas to OpenAPI 3.0.

More programs read 3.0 than 3.1, among them the Swagger UI of Airflow 2.11.0. It differs from JSON Schema:
null is not a type but ``nullable``, a reference has nothing next to it, names in a mapping have no schema,
and an exclusive bound is a flag.
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
    """apispec's converter, with what it does not know about our schemas and fields."""

    field_mapping = DEFAULT_FIELD_MAPPING | {
        Timestamp: ("string", "date-time"),
        Email: ("string", "email"),
        Link: ("string", "uri"),
    }

    def init_attribute_functions(self) -> None:
        """Add our functions after apispec's own."""
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        self.attribute_functions += [
            _anchors,
            _exclusive_bounds,
            _known_names,
            _sizes,
            self.document2properties,
        ]

    def resolve_nested_schema(self, schema: type[Schema] | type[BaseModel] | Schema) -> OpenApi:
        """Return a reference to the component of a marshmallow schema or a pydantic model."""
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            self._add_component(schema.__name__, self.model2jsonschema(schema))
            return {"$ref": REFERENCE.format(model=schema.__name__)}
        return super().resolve_nested_schema(schema)  # type: ignore[no-any-return, no-untyped-call]

    def schema2jsonschema(self, schema: Schema) -> OpenApi:
        """Return a schema with its docstring; all fields of a response are required."""
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
        """Return a pydantic model's schema; the models that it refers to become components."""
        schema = model.model_json_schema(ref_template=REFERENCE)
        for name, inner in schema.pop("$defs", {}).items():
            self._add_component(name, from_json_schema(inner))
        return from_json_schema(schema)

    def document2properties(self, field: fields.Field, **_: object) -> OpenApi:
        """Return the schema of a stored document's model."""
        return self.model2jsonschema(field.model) if isinstance(field, Document) else {}

    def field2nullable(self, field: fields.Field, ret: OpenApi) -> OpenApi:
        """Return the schema of a field that may be null; apispec would allow any object for a reference."""
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
    """Write anchors as in ECMA-262, which OpenAPI uses: only ^ and $, and $ is the end of the text."""
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
    """Describe a mapping with known names as an object with those properties."""
    for validator in getattr(getattr(field, "key_field", None), "validators", []):
        if isinstance(validator, validate.OneOf):
            value = ret["additionalProperties"]
            return {"properties": dict.fromkeys(validator.choices, value), "additionalProperties": False}
    return {}


def _sizes(field: fields.Field, **_: object) -> OpenApi:
    """Describe how long a value may be, and a whole document, for which OpenAPI has no keyword."""
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
    """Return pydantic's JSON Schema in OpenAPI 3.0, without the titles, which repeat the names."""
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
        # Without a default, which the referenced schema's properties have: client generators cannot read one
        # next to a reference.
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
