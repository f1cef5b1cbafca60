"""The documents of DataKits: a kit's manifest, and the spec that a deployment's DAG is built from."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from airflow_platform_plugin.core import kubernetes_quantities
from airflow_platform_plugin.core.naming import DNS_LABEL_PATTERN
from airflow_platform_plugin.http import ijson

# Bounds of what is registered; what was stored before there was one may be longer.
LONGEST_MANIFEST = 200_000  # bytes of JSON
_MOST_MEMBERS = 100
_LONGEST_DESCRIPTION = 5000
_LONGEST_OPTION_DESCRIPTION = 1000
_LONGEST_VALUE = 10_000  # bytes of JSON
_LARGEST = 2**53 - 1  # of an option's minimum and maximum: integers that a float holds too (RFC 7493)

# What a pattern means is said beside it, for editors and the CLI.
Name = Annotated[
    str,
    StringConstraints(pattern=rf"^{DNS_LABEL_PATTERN}$", max_length=63),
    Field(description="lower-case letters, digits and hyphens, at most 63"),
]
IDENTIFIER_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,127}"
Identifier = Annotated[str, StringConstraints(pattern=rf"^{IDENTIFIER_PATTERN}$", max_length=128)]
Type = Literal["transformation", "ingestion", "export"]

# semver.org's own grammar, without build metadata, which has no order and no place in an image's tag.
_SEMVER = r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"

# The grammar of the OCI distribution's references: host and port, path, and a tag, a digest or both.
_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]+)?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_IMAGE = rf"({_HOST}/)?{_PATH}(/{_PATH})*({_TAG}({_DIGEST})?|{_DIGEST})"


def _semantic_version(text: str) -> str:
    if not re.fullmatch(_SEMVER, text):
        raise ValueError("must be a semantic version such as 1.2.0")
    return text


def _image_reference(text: str) -> str:
    if not re.fullmatch(_IMAGE, text):
        raise ValueError(
            "must be an OCI reference with a tag or a digest, such as registry.example/kit:1.2.0"
        )
    return text


def _one_line(text: str) -> str:
    if not ijson.is_line(text):
        raise ValueError("must be one line, without control characters")
    return text


def precedence(version: str) -> tuple[Any, ...]:
    """What sorts semantic versions (semver.org, 11): a release is after its candidates."""
    core, _, candidate = version.partition("-")
    parts = ((0, int(part), "") if part.isdigit() else (1, 0, part) for part in candidate.split("."))
    return tuple(map(int, core.split("."))), not candidate, tuple(parts)


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


class _Document(BaseModel):
    """Unknown fields are refused by name, and ``"yes"`` is no boolean."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Dataset(_Document):
    """Something a kit reads or writes."""

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


class Option(_Document):
    """One entry of a kit's configuration. A secret's values are kept encrypted, and it has no default."""

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
            raise ValueError(f"each of enum must be of type {self.type}")
        if self.default is not None:
            if self.secret:
                raise ValueError("a secret has no default: everybody who reads the manifest would know it")
            if complaint := self.complaint(self.default):
                raise ValueError(f"the default {complaint}")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, as_usual: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Kits from before there were these fields stay the documents that they are."""
        document: dict[str, Any] = as_usual(self)
        later = {"enum": None, "minimum": None, "maximum": None, "required": False, "secret": False}
        return {name: value for name, value in document.items() if name not in later or value != later[name]}

    def complaint(self, value: Any) -> str | None:  # noqa: ANN401 - any JSON
        """What is wrong with a value, without telling the value; None where it fits."""
        if not self._is_of_type(value):
            return f"must be of type {self.type}"
        if self.enum is not None and value not in self.enum:
            return f"must be one of {', '.join(map(json.dumps, self.enum))}"
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}"
        return None

    def _is_of_type(self, value: Any) -> bool:  # noqa: ANN401 - any JSON
        # JSON's true is no integer.
        if isinstance(value, bool) and self.type != "boolean":
            return False
        return isinstance(value, _PYTHON_TYPES[self.type])


class Requirements(_Document):
    """What one run needs, in Kubernetes' quantities."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: bool = False

    @property
    def amounts(self) -> dict[str, Decimal]:
        """What is needed of each resource: CPUs, bytes, GPUs."""
        given = {"cpu": self.cpu, "memory": self.memory, "gpu": "1" if self.gpu else None}
        return {name: kubernetes_quantities.amount(text) for name, text in given.items() if text is not None}


def _bounded_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if len(json.dumps(value)) > _LONGEST_VALUE:
        raise ValueError(f"must have at most {_LONGEST_VALUE} bytes of JSON")
    return value


_BYTES = Field(json_schema_extra={"x-max-bytes": _LONGEST_VALUE})
_IN_64_BITS = Field(ge=-_LARGEST, le=_LARGEST)
_Bound = Annotated[int, _IN_64_BITS] | Annotated[float, _IN_64_BITS]


class RegisteredOption(Option):
    """An option as it is registered."""

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
    """Requirements as they are registered."""

    cpu: ShortQuantity | None = None
    memory: ShortQuantity | None = None


class Manifest(_Document):
    """A DataKit version as its author describes it; it never changes once registered."""

    name: Name
    version: Annotated[
        str,
        AfterValidator(_semantic_version),
        Field(max_length=64, json_schema_extra={"pattern": f"^{_SEMVER}$"}),
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
    """A manifest as it is registered, and the tenant that it is for; what is stored already may be laxer."""

    version: Annotated[
        str,
        StringConstraints(max_length=64),
        AfterValidator(_semantic_version),
        Field(
            description="a semantic version such as 1.2.0",
            json_schema_extra={"pattern": f"^{_SEMVER}$"},
        ),
    ]
    description: Annotated[str, StringConstraints(max_length=_LONGEST_DESCRIPTION)] = ""
    image: Annotated[
        str,
        StringConstraints(max_length=512),
        AfterValidator(_image_reference),
        Field(
            description="an OCI reference with a tag or a digest, such as registry.example/kit:1.2.0",
            json_schema_extra={"pattern": f"^{_IMAGE}$"},
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
    def _is_short(self) -> "Registration":
        # It is part of its DAG's documentation, which Airflow reads again and again.
        if len(json.dumps(self.document)) > LONGEST_MANIFEST:
            raise ValueError(f"must have at most {LONGEST_MANIFEST} bytes of JSON")
        return self

    @property
    def document(self) -> dict[str, Any]:
        """The manifest alone, as it is stored."""
        return self.model_dump(mode="json", exclude={"tenant_id"})


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what is registered."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Registration.model_json_schema(),
        "title": "DataKit",
    }


def _bound(grants: Any) -> Any:  # noqa: ANN401 - any JSON
    """Grants by name alone are of no row, and so grant nothing; there were such ones."""
    return {} if isinstance(grants, list) else grants


class DeploymentSpec(_Document):
    """All that a deployment's DAG is built from, as one document: no look-up is needed beside it."""

    model_config = ConfigDict(strict=False)  # JSON has no times: start_date comes back as text

    dag_id: str
    manifest: Manifest
    environment: Name
    namespace: Name
    # Without the values of secrets, which are named only: a run reads them itself (``run_time.secrets``).
    configuration: dict[str, Any]
    secrets: list[str] = []
    # A cron expression or preset, or @inputs: whenever all inputs have been written.
    schedule: str | None
    start_date: datetime
    deployment_id: str = ""
    revision: int = 0
    catchup: bool = False
    retries: int | None = None
    retry_delay: float | None = None  # seconds
    timeout: float | None = None  # seconds, of each try
    max_active_runs: int | None = None
    # Of the configuration's names, those that a deploy has given; the others follow the manifest's defaults.
    # None where that was not written down yet.
    chosen: list[str] | None = None
    # Airflow's, which the kit finds in its environment as AIRFLOW_CONN_*; and of them those that are shared
    # by all tenants, which a tenant's kit has only by grant: the ids of the rows that were granted.
    connections: list[str] = []
    shared_connections: Annotated[dict[str, int], BeforeValidator(_bound)] = {}


LONGEST_SCHEDULE = 100  # characters; the loader evaluates every schedule each time that it is parsed
ON_INPUTS = "@inputs"


def dataset_uri(item: Dataset, namespace: str, environment: str) -> str:
    """The Airflow Dataset of an input or output.

    Of one namespace and environment: what staging writes starts nothing in production, and what a tenant
    names starts nothing of another's. "x-" is for schemes of one's own (Airflow's AIP-60), which Airflow does
    not look for a provider for: that would cost each task process a tenth of a second.
    """
    parts = [namespace, environment, *([item.schema_] if item.schema_ else []), item.name]
    return "x-datakit://" + "/".join(quote(part, safe="") for part in parts)


def image_name(image: str) -> str:
    """The last part of an image's path, without tag and digest: ``customer-360``."""
    return image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0]


def dag_id(namespace: str, environment: str, name: str) -> str:
    """The DAG of a deployment. Its parts hold no underscore, so two deployments never share an id."""
    return f"{namespace}__{environment}__{name}"
