"""The documents of DataKits: a kit's manifest, and the spec that a deployment's DAG is built from."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from airflow_platform_plugin import quantities
from airflow_platform_plugin.names import DNS_LABEL_PATTERN

Name = Annotated[str, StringConstraints(pattern=rf"^{DNS_LABEL_PATTERN}$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Type = Literal["transformation", "ingestion", "export"]

# semver.org's own grammar, without build metadata, which has no order and no place in an image's tag.
_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?")


def _semantic_version(text: str) -> str:
    if not _SEMVER.fullmatch(text):
        raise ValueError("must be a semantic version such as 1.2.0")
    return text


def _quantity(text: str) -> str:
    quantities.amount(text)
    return text


Quantity = Annotated[str, AfterValidator(_quantity), Field(json_schema_extra={"pattern": quantities.PATTERN})]


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
    """One entry of a kit's configuration."""

    type: Literal["integer", "number", "string", "boolean", "array", "object"]
    default: Any = None
    description: str = ""

    @model_validator(mode="after")
    def _default_fits(self) -> "Option":
        if self.default is not None and not self.accepts(self.default):
            raise ValueError(f"the default must be of type {self.type}")
        return self

    def accepts(self, value: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether the value is of the option's type; JSON's true is no integer."""
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
        return {name: quantities.amount(text) for name, text in given.items() if text is not None}


class Manifest(_Document):
    """A DataKit version as its author describes it; it never changes once registered."""

    name: Name
    version: Annotated[
        str,
        AfterValidator(_semantic_version),
        Field(max_length=64, json_schema_extra={"pattern": f"^{_SEMVER.pattern}$"}),
    ]
    description: str = ""
    image: Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    type: Type = "transformation"
    inputs: list[Dataset] = []
    outputs: list[Dataset] = []
    configuration: dict[Identifier, Option] = {}
    requirements: Requirements = Requirements()
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=100)]] = []

    @property
    def order(self) -> Version:
        """What sorts versions of one kit."""
        try:
            return Version(self.version)
        except InvalidVersion:  # a pre-release that PEP 440 does not know sorts before its release
            return Version(self.version.split("-", 1)[0] + ".dev0")


class DeploymentSpec(_Document):
    """All that a deployment's DAG is built from, as one document: no look-up is needed beside it."""

    model_config = ConfigDict(strict=False)  # JSON has no times: start_date comes back as text

    dag_id: str
    manifest: Manifest
    environment: Name
    namespace: Name
    configuration: dict[str, Any]
    schedule: str | None
    start_date: datetime


def image_name(image: str) -> str:
    """The last part of an image's path, without tag and digest: ``customer-360``."""
    return image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0]


def dag_id(namespace: str, environment: str, name: str) -> str:
    """The DAG of a deployment. Its parts hold no underscore, so two deployments never share an id."""
    return f"{namespace}__{environment}__{name}"
