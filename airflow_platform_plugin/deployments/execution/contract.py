"""What a kit sees when it runs, and what its end means: docs/datakit-contract.md. Pure.

A run is told all in environment variables, and leaves a small JSON document in a file.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from airflow_platform_plugin.datakits.manifest import Dataset
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# The variable that names the file for the result.
RESULT_FILE = "DATAKIT_RESULT_FILE"
# Kubernetes keeps no more of what a container leaves at its end (its termination message).
LONGEST_RESULT = 4096  # bytes
# Of one variable Linux takes 128 KiB (MAX_ARG_STRLEN), and the whole document is one.
_LONGEST_VARIABLE = 128 * 1024  # bytes
LONGEST_DOCUMENT = 96 * 1024  # bytes of it that a deployment may have

# Between SIGTERM and SIGKILL, as Docker has it.
GRACE = 10  # seconds

# Of sysexits.h: wrong usage, wrong data, wrong configuration. To try again would not mend them.
_NOT_RETRIED = {64, 65, 78}
# What Airflow's own operators take for a skip.
_SKIPPED = 99
_LONGEST_ERROR = 500


class Outcome(Enum):
    """What the end of a kit means for its task."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    RETRY = "retry"
    FAILED = "failed"


class OutputReport(BaseModel):
    """What a kit tells of one output; more than the rows is its own."""

    model_config = ConfigDict(extra="allow", strict=True)

    rows: Annotated[int | None, Field(ge=0)] = None


class Result(BaseModel):
    """What a kit may leave: of its outputs, by name, and of what went wrong."""

    model_config = ConfigDict(extra="forbid", strict=True)

    outputs: dict[str, OutputReport] = {}
    error: Annotated[str, StringConstraints(min_length=1)] | None = None


@dataclass(frozen=True)
class Job:
    """One try of a deployment's run, as a runner starts it.

    Attributes:
        environment: variables that anybody may see.
        private: variables with secrets in them, for the kit alone.
    """

    spec: DeploymentSpec
    environment: dict[str, str]
    private: dict[str, str]


@dataclass(frozen=True)
class KitExit:
    """How a kit has ended.

    Attributes:
        status: its exit status.
        result: what is in the result file, as it is; empty where there is nothing.
        note: what else is known of its end, in a sentence, such as the last that it has printed.
        image_digest: what the image's tag stood for, ``sha256:…``, where the runner knows it.
    """

    status: int
    result: str = ""
    note: str = ""
    image_digest: str | None = None

    @property
    def meaning(self) -> Outcome:
        """What the exit status says."""
        if self.status == 0:
            return Outcome.SUCCESS
        if self.status == _SKIPPED:
            return Outcome.SKIPPED
        return Outcome.FAILED if self.status in _NOT_RETRIED else Outcome.RETRY


def build_job(
    spec: DeploymentSpec,
    context: Any,  # noqa: ANN401 - Airflow's Context
    secrets: dict[str, Any],
    connections: dict[str, str],
) -> Job:
    """The variables of a try.

    Args:
        spec: the deployment.
        context: Airflow's, of the task.
        secrets: values of secret options.
        connections: Airflow's connections as JSON, by id.

    Raises:
        ValueError: the run's ``conf`` has an option's name with a value that does not fit it, or is too long.
    """
    run = context["dag_run"]
    conf = dict(run.conf or {})
    facts = {
        "name": spec.manifest.name,
        "version": spec.manifest.version,
        "environment": spec.environment,
        "namespace": spec.namespace,
        "dag_id": spec.dag_id,
        "run_id": run.run_id,
        "try_number": context["ti"].try_number,
        "logical_date": context["logical_date"].isoformat(),
        "data_interval_start": context["data_interval_start"].isoformat(),
        "data_interval_end": context["data_interval_end"].isoformat(),
    }
    documents = {
        "configuration": spec.configuration | secrets | _overrides(spec, conf),
        "inputs": [item.model_dump(mode="json") for item in spec.manifest.inputs],
        "outputs": [item.model_dump(mode="json") for item in spec.manifest.outputs],
    }
    written = {name: json.dumps(document) for name, document in documents.items()}
    run_document = json.dumps(facts | documents | {"conf": conf})
    if len(run_document) + len("DATAKIT_RUN=") >= _LONGEST_VARIABLE:
        raise ValueError(
            f"The run's conf is too long: with it the run's document has {len(run_document)} bytes."
        )
    plain = {name: str(value) for name, value in facts.items()}
    private = {
        "configuration": written.pop("configuration"),
        "run": run_document,
    }
    return Job(
        spec,
        environment=_variables(plain | written),
        private=_variables(private)
        | {f"AIRFLOW_CONN_{name.upper()}": text for name, text in connections.items()},
    )


def _variables(values: dict[str, str]) -> dict[str, str]:
    return {f"DATAKIT_{name.upper()}": value for name, value in values.items()}


def _overrides(spec: DeploymentSpec, conf: dict[str, Any]) -> dict[str, Any]:
    """What a run was triggered with in place of the deployment's configuration; secrets stay as they are."""
    options = spec.manifest.configuration
    given = {name: value for name, value in conf.items() if name in options and not options[name].secret}
    for name, value in given.items():
        if violation := options[name].violation(value):
            raise ValueError(f"The run's conf does not fit: {name} {violation}.")
    return given


def size(spec: DeploymentSpec, secrets: dict[str, Any]) -> int:
    """The bytes that a run's document has of the deployment itself; ``LONGEST_DOCUMENT`` is the limit."""
    datasets = [item.model_dump() for item in [*spec.manifest.inputs, *spec.manifest.outputs]]
    return sum(len(json.dumps(part)) for part in (spec.configuration, secrets, *datasets))


def parse_result(text: str, outputs: list[Dataset]) -> Result:
    """What the kit has left.

    Raises:
        ValueError: it is too long, no such document, or about an output that the manifest does not have.
    """
    if not text.strip():
        return Result()
    length, too_long = len(text.encode()), f"the result is longer than {LONGEST_RESULT} bytes"
    if length > LONGEST_RESULT:
        raise ValueError(too_long)
    try:
        result = Result.model_validate_json(text)
    except ValidationError as error:
        if length == LONGEST_RESULT:  # Kubernetes cuts it there, so it was a longer one
            raise ValueError(too_long) from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(f"the result does not fit: {where}: {first['msg']}") from None
    unknown = sorted(set(result.outputs) - {name for item in outputs for name in names(item)})
    if unknown:
        raise ValueError(
            f"the result tells of {', '.join(unknown)}, which the manifest has not among its outputs"
        )
    return result


def names(output: Dataset) -> tuple[str, ...]:
    """The names by which a result may tell of an output: with its schema, if there is one, or without."""
    return (output.name,) if output.schema_ is None else (f"{output.schema_}.{output.name}", output.name)


def failure(spec: DeploymentSpec, ended: KitExit, told: str | None) -> str:
    """What went wrong, in a sentence: what the kit tells of it, or else how it has ended."""
    if told:
        return told[:_LONGEST_ERROR]
    return f"{spec.manifest.name} ended with exit status {ended.status}. {ended.note}".strip()[
        :_LONGEST_ERROR
    ]


def last_line(text: str) -> str:
    """A note of the last that a kit has printed."""
    return f"Its last line: {text}" if text else ""
