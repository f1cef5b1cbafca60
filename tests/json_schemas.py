"""Bounds in JSON Schemas and OpenAPI schemas, and values beyond them."""

from collections.abc import Iterator
from typing import Any

from airflow_platform_plugin.openapi.conversion import MAX_BYTES

Schema = dict[str, Any]

_BOUNDS = {
    "boolean": set[str](),
    "null": set[str](),
    "string": {"maxLength"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "array": {"maxItems"},
}


def alternatives(schema: Schema, whole: Schema) -> Iterator[Schema]:
    """Yield the schemas behind references and combinations; a value must match one of them."""
    if "$ref" in schema:
        found: Any = whole
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        yield from alternatives(found, whole)
    elif options := [*schema.get("anyOf", []), *schema.get("allOf", [])]:
        for option in options:
            yield from alternatives(option, whole)
    else:
        yield schema


def values(schema: Schema) -> list[Schema]:
    """Return the schemas of an object's values under any name."""
    additional = {} if schema.get("additionalProperties") is True else schema.get("additionalProperties")
    return [
        *([additional] if isinstance(additional, dict) else []),
        *schema.get("patternProperties", {}).values(),
    ]


def unbounded(schema: Schema, path: str, whole: Schema) -> Iterator[str]:
    """Yield the places at and below ``path`` without a bound."""
    for found in alternatives(schema, whole):
        if missing := _missing(found):
            yield f"{path}: {', '.join(sorted(missing))}"
        elif "enum" in found or MAX_BYTES in found:
            continue
        for name, inner in found.get("properties", {}).items():
            yield from unbounded(inner, f"{path}/{name}", whole)
        for inner in values(found):
            yield from unbounded(inner, f"{path}{{}}", whole)
        if found.get("items"):
            yield from unbounded(found["items"], f"{path}[]", whole)


def _missing(schema: Schema) -> set[str]:
    if "enum" in schema or "const" in schema or schema.get(MAX_BYTES):
        return set()
    if schema.get("type") == "object" and values(schema):
        return {"maxProperties"} - schema.keys()
    if schema.get("type") == "object" and "properties" in schema:
        return set()
    return _BOUNDS.get(schema.get("type", ""), {MAX_BYTES}) - schema.keys()


def example(schema: Schema, whole: Schema) -> Any:
    """Return a short value of a type."""
    found = next(alternatives(schema, whole))
    if "enum" in found:
        return found["enum"][0]
    short = {
        "string": "a" * max(1, found.get("minLength", 1)),
        "integer": max(1, found.get("minimum", 1)),
        "number": max(1, found.get("minimum", 1)),
        "object": {name: example(found["properties"][name], whole) for name in found.get("required", [])},
        "array": [],
    }
    return short.get(found.get("type", ""), True)


def beyond(schema: Schema, whole: Schema) -> Iterator[tuple[str, Any]]:
    """Yield values beyond a bound or of another type, and the pointer of the expected error."""
    options = list(alternatives(schema, whole))
    kinds = {option.get("type") for option in options}
    for found in options:
        # The null of what may be null; and of numbers that may be integers, what refuses both.
        if found.get("enum") == [None] or (found.get("type") == "integer" and "number" in kinds):
            continue
        yield from (("", value) for value in _wrong(found, whole))
        for name, inner in found.get("properties", {}).items():
            yield from ((f"/{name}{pointer}", {name: value}) for pointer, value in beyond(inner, whole))
        for inner in values(found):
            yield from ((f"/a{pointer}", {"a": value}) for pointer, value in beyond(inner, whole))
        if found.get("items"):
            yield from ((f"/0{pointer}", [value]) for pointer, value in beyond(found["items"], whole))


def _wrong(schema: Schema, whole: Schema) -> Iterator[Any]:
    kind = schema.get("type")
    if "enum" in schema:
        yield from ("no-such-word", 1)
    elif kind == "string":
        yield from ("a" * (schema["maxLength"] + 1), "1" * 2_000_000, 1, True)
        yield from ["a" * (schema["minLength"] - 1)] if schema.get("minLength") else []
    elif kind == "boolean":
        yield from (0, 1, "true", "yes", 1.0, [])
    elif kind in ("integer", "number"):
        yield from (schema["maximum"] + 1, schema["minimum"] - 1, 1e308, -1e308)
        yield from ("5", True, "\u0661", [1])
        yield from (5.5, 5.0) if kind == "integer" else ()
    elif kind == "array":
        yield [example(schema["items"], whole)] * (schema["maxItems"] + 1)
    elif MAX_BYTES in schema:
        yield {"a": "x" * schema[MAX_BYTES]}
    if "maxProperties" in schema and "properties" not in schema:
        value = example(next(iter(values(schema)), {}), whole)
        yield {f"a{number}": value for number in range(schema["maxProperties"] + 1)}
