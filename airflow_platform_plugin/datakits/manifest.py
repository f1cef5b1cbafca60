"""The manifest of a DataKit version, as its author writes it in ``datakit.yaml``."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from airflow_platform_plugin.core import kubernetes_quantities
from airflow_platform_plugin.core.naming import DNS_LABEL_PATTERN
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.datakits import image_reference, semantic_version
from airflow_platform_plugin.http import ijson

# Limits of new registrations; manifests that were stored before may exceed them.
LONGEST_MANIFEST = 200_000  # bytes of JSON
_MOST_MEMBERS = 100
_LONGEST_DESCRIPTION = 5000
_LONGEST_OPTION_DESCRIPTION = 1000
_LONGEST_VALUE = 10_000  # bytes of JSON
_LARGEST = 2**53 - 1  # of an option's minimum and maximum: integers that a float holds too (RFC 7493)

# Descriptions say in words what a pattern means, for editors and the CLI.
Name = Annotated[
    str,
    StringConstraints(pattern=rf"^{DNS_LABEL_PATTERN}$", max_length=63),
    Field(description="lower-case letters, digits and hyphens, at most 63"),
]
IDENTIFIER_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
Identifier = Annotated[str, StringConstraints(pattern=rf"^{IDENTIFIER_PATTERN}$", max_length=128)]
Type = Literal["transformation", "ingestion", "export"]


def _one_line(text: str) -> str:
    if not ijson.is_line(text):
        raise ValueError("must be one line, without control characters")
    return text


def _quantity(text: str) -> str:
    kubernetes_quantities.amount(text)
    return text


Quantity = Annotated[
    str,
    AfterValidator(_quantity),
    Field(
        description="a Kubernetes quantity such as 4000m, 16Gi or 1.5",
        json_schema_extra={"pattern": kubernetes_quantities.PATTERN},
    ),
]
ShortQuantity = Annotated[
    str,
    StringConstraints(max_length=kubernetes_quantities.LONGEST),
    AfterValidator(_quantity),
    Field(
        description="a Kubernetes quantity such as 4000m, 16Gi or 1.5",
        json_schema_extra={"pattern": kubernetes_quantities.PATTERN},
    ),
]


class StrictModel(BaseModel):
    """A document that refuses unknown fields by name, and ``"yes"`` as a boolean."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Dataset(StrictModel):
    """An input or output of a kit."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    type: Annotated[str, StringConstraints(min_length=1, max_length=64)] = "table"
    schema_: Annotated[str | None, Field(alias="schema", max_length=256)] = None

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


class Option(StrictModel):
    """An option of a kit's configuration. Values of a secret option are stored encrypted."""

    type: Literal["integer", "number", "string", "boolean", "array", "object"]
    default: Any = None
    description: str = ""
    enum: Annotated[list[Any], Field(min_length=1)] | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    required: bool = False
    secret: bool = False

    @model_validator(mode="after")
    def _is_consistent(self) -> "Option":
        if (self.minimum, self.maximum) != (None, None) and self.type not in ("integer", "number"):
            raise ValueError("minimum and maximum are for integers and numbers")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("the minimum is above the maximum")
        if any(not self._is_of_type(value) for value in self.enum or []):
            raise ValueError(f"each value of enum must be of type {self.type}")
        if self.default is not None:
            if self.secret:
                raise ValueError("a secret has no default: everybody who reads the manifest would see it")
            if violation := self.violation(self.default):
                raise ValueError(f"the default {violation}")
        return self

    @model_serializer(mode="wrap")
    def _without_defaults_of_later_fields(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out later fields that have their default, so that older manifests serialize as they did."""
        document: dict[str, Any] = serialize(self)
        later = {"enum": None, "minimum": None, "maximum": None, "required": False, "secret": False}
        return {name: value for name, value in document.items() if name not in later or value != later[name]}

    def violation(self, value: Json) -> str | None:
        """Return what is wrong with a value, without the value itself; None if it is valid."""
        if not self._is_of_type(value):
            return f"must be of type {self.type}"
        if self.enum is not None and value not in self.enum:
            return f"must be one of {', '.join(map(json.dumps, self.enum))}"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}"
        return None

    def _is_of_type(self, value: Json) -> bool:
        # Python's bool is an int, JSON's true is not an integer.
        if isinstance(value, bool) and self.type != "boolean":
            return False
        return isinstance(value, _PYTHON_TYPES[self.type])


class Requirements(StrictModel):
    """The resources that one run needs, as Kubernetes quantities."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: bool = False

    @property
    def amounts(self) -> dict[str, Decimal]:
        """Return the needed amount of each resource: CPUs, bytes, GPUs."""
        given = {"cpu": self.cpu, "memory": self.memory, "gpu": "1" if self.gpu else None}
        return {name: kubernetes_quantities.amount(text) for name, text in given.items() if text is not None}


def _bounded_json(value: Json) -> Json:
    if len(json.dumps(value)) > _LONGEST_VALUE:
        raise ValueError(f"must have at most {_LONGEST_VALUE} bytes of JSON")
    return value


_BYTES = Field(json_schema_extra={"x-max-bytes": _LONGEST_VALUE})
_IN_64_BITS = Field(ge=-_LARGEST, le=_LARGEST)
_Bound = Annotated[int, _IN_64_BITS] | Annotated[float, _IN_64_BITS]


class RegisteredOption(Option):
    """An option in a registration, with limits."""

    default: Annotated[Any, AfterValidator(_bounded_json), _BYTES] = None
    description: Annotated[str, StringConstraints(max_length=_LONGEST_OPTION_DESCRIPTION)] = ""
    enum: (
        Annotated[
            list[Any],
            Field(min_length=1, max_length=_MOST_MEMBERS),
            AfterValidator(_bounded_json),
            _BYTES,
        ]
        | None
    ) = None
    minimum: _Bound | None = None
    maximum: _Bound | None = None


class RegisteredRequirements(Requirements):
    """Requirements in a registration, with limits."""

    cpu: ShortQuantity | None = None
    memory: ShortQuantity | None = None


class Manifest(StrictModel):
    """A DataKit version as its author describes it. A registered manifest never changes."""

    name: Name
    version: Annotated[
        str,
        AfterValidator(semantic_version.require_valid),
        Field(max_length=64, json_schema_extra={"pattern": f"^{semantic_version.GRAMMAR}$"}),
    ]
    description: str = ""
    image: Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    type: Type = "transformation"
    inputs: list[Dataset] = []
    outputs: list[Dataset] = []
    configuration: dict[Identifier, Option] = {}
    requirements: Requirements = Requirements()
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = []


class Registration(Manifest):
    """A manifest to register, with its tenant. Stored manifests may exceed its limits."""

    version: Annotated[
        str,
        StringConstraints(max_length=64),
        AfterValidator(semantic_version.require_valid),
        Field(
            description="a semantic version such as 1.2.0",
            json_schema_extra={"pattern": f"^{semantic_version.GRAMMAR}$"},
        ),
    ]
    description: Annotated[str, StringConstraints(max_length=_LONGEST_DESCRIPTION)] = ""
    image: Annotated[
        str,
        StringConstraints(max_length=512),
        AfterValidator(image_reference.require_valid),
        Field(
            description="an OCI reference with a tag or a digest, such as registry.example/kit:1.2.0",
            json_schema_extra={"pattern": f"^{image_reference.GRAMMAR}$"},
        ),
    ]
    inputs: Annotated[list[Dataset], Field(max_length=_MOST_MEMBERS)] = []
    outputs: Annotated[list[Dataset], Field(max_length=_MOST_MEMBERS)] = []
    configuration: Annotated[dict[Identifier, RegisteredOption], Field(max_length=_MOST_MEMBERS)] = {}  # type: ignore[assignment]  # narrower
    requirements: RegisteredRequirements = RegisteredRequirements()
    tags: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=100), AfterValidator(_one_line)]],
        Field(max_length=_MOST_MEMBERS),
    ] = []
    tenant_id: Name | None = None

    @model_validator(mode="after")
    def _is_within_limits(self) -> "Registration":
        # The manifest is part of its DAG's documentation, which Airflow reads again and again.
        if len(json.dumps(self.document)) > LONGEST_MANIFEST:
            raise ValueError(f"must have at most {LONGEST_MANIFEST} bytes of JSON")
        return self

    @property
    def document(self) -> dict[str, Any]:
        """Return the manifest without the tenant, as it is stored."""
        return self.model_dump(mode="json", exclude={"tenant_id"})


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a registration."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Registration.model_json_schema(),
        "title": "DataKit",
    }
