"""The section ``[platform]`` of Airflow's configuration; docs/settings.md lists every option.

Each feature has its own group of settings, a subclass of ``Settings``, in its ``settings.py``.
"""

from functools import cache
from typing import Annotated, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core.feature import features, resolve

Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """A group of options with defaults. A value that does not fit raises ``pydantic.ValidationError``."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Which DAGs belong to tenants: those of their deployments alone; by tags, also those with exactly one tag of
# a tenant; by paths, also those whose file is in the tenant's folder.
DagOwnership = Literal["deployments", "tags", "paths"]


class CoreSettings(Settings):
    """The settings of what all features share."""

    auto_migrate: bool = Field(
        default=True,
        description="Create and upgrade the platform's tables when the webserver or the scheduler starts.",
    )
    worker: bool = Field(
        default=True,
        description="Run the worker as a child process of the scheduler. Turn it off if `airflow-platform"
        " worker` runs separately.",
    )
    worker_interval: Seconds = Field(
        default=1.0, description="Seconds between two rounds of the worker's steps."
    )
    event_retention_days: Annotated[int, Field(ge=1)] = Field(
        default=30, description="Days after which events and their webhook deliveries are deleted."
    )
    dag_ownership: DagOwnership = Field(
        default="deployments",
        description="Which DAGs belong to tenants: those of their `deployments` alone; by `tags`, also those"
        " with exactly one tag `tenant:<id>`; by `paths`, also those whose file is in the tenant's folder.",
    )
    dag_ownership_folder: Annotated[str, Field(pattern=r"^[^/]+(/[^/]+)*$")] = Field(
        default="tenants",
        description="With `dag_ownership = paths`, the folder below the DAGs folder that has a folder for"
        " each tenant, named after the tenant's id.",
    )
    max_body_bytes: Annotated[int, Field(ge=1)] = Field(
        default=1_048_576,
        description="Maximum size of a request body for the platform's endpoints, in bytes. `[webserver] "
        "allowed_payload_size` applies too, and to Airflow's own endpoints.",
    )


_Group = TypeVar("_Group", bound=Settings)


def get(group: type[_Group]) -> _Group:
    """Return a group of this process's settings, read once, as Airflow reads its own."""
    return cast("_Group", _read(group))


@cache
def _read(group: type[Settings]) -> Settings:
    given = {name: config.platform_option(name) for name in group.model_fields}
    return group.model_validate({name: value for name, value in given.items() if value is not None})


def forget() -> None:
    """Forget what was read, for benchmarks that change options."""
    _read.cache_clear()


def groups() -> list[type[Settings]]:
    """Return all groups of settings, in the order of the features."""
    return [CoreSettings, *(resolve(feature.settings) for feature in features() if feature.settings)]
