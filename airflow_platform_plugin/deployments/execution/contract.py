"""The contract between the platform and a running kit: docs/datakit-contract.md. Pure.

A kit gets everything in environment variables, and may write a small JSON document to a file.
"""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from airflow_platform_plugin.airflow_compat.types import TaskContext
from airflow_platform_plugin.datakits.manifest import Dataset
from airflow_platform_plugin.deployments.spec import DeploymentSpec

# The variable that names the file for the result.
RESULT_FILE = "DATAKIT_RESULT_FILE"
# The longest termination message that Kubernetes stores.
LONGEST_RESULT = 4096  # bytes
# The longest variable that Linux accepts (MAX_ARG_STRLEN); the run's document is one variable.
_LONGEST_VARIABLE = 128 * 1024  # bytes
LONGEST_DOCUMENT = 96 * 1024  # bytes of that document that a deployment may use

# Seconds between SIGTERM and SIGKILL; Docker's default.
GRACE = 10

# sysexits.h: usage, data and configuration errors. A retry would fail again.
_NOT_RETRIED = {64, 65, 78}
# The exit status that Airflow's own operators treat as skipped.
_SKIPPED = 99
_LONGEST_ERROR = 500


class Outcome(Enum):
    """What the exit of a kit means for its task."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    RETRY = "retry"
    FAILED = "failed"


class OutputReport(BaseModel):
    """What a kit reports about one output. Fields apart from ``rows`` are up to the kit."""

    model_config = ConfigDict(extra="allow", strict=True)

    rows: Annotated[int | None, Field(ge=0)] = None


class KitResult(BaseModel):
    """The result file of a kit: reports about outputs by name, and an error message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    outputs: dict[str, OutputReport] = {}
    error: Annotated[str, StringConstraints(min_length=1)] | None = None


@dataclass(frozen=True)
class Job:
    """One try of a deployment's run, as a runner starts it.

    Attributes:
        spec: the deployment.
        environment: variables without secrets.
        private: variables with secrets, which only the kit may see.
    """

    spec: DeploymentSpec
    environment: dict[str, str]
    private: dict[str, str]


@dataclass(frozen=True)
class KitExit:
    """The exit of a kit.

    Attributes:
        status: the exit status.
        result: the content of the result file; empty if there is no file.
        note: a sentence about the exit, such as the last line that the kit printed.
        image_digest: the digest of the image, ``sha256:…``, if the runner knows it.
    """

    status: int
    result: str = ""
    note: str = ""
    image_digest: str | None = None

    @property
    def outcome(self) -> Outcome:
        """Return what the exit status means for the task."""
        if self.status == 0:
            return Outcome.SUCCESS
        if self.status == _SKIPPED:
            return Outcome.SKIPPED
        return Outcome.FAILED if self.status in _NOT_RETRIED else Outcome.RETRY


def build_job(
    spec: DeploymentSpec,
    context: TaskContext,
    secrets: dict[str, Any],
    connections: dict[str, str],
) -> Job:
    """Build the variables of a try.

    Args:
        spec: the deployment.
        context: Airflow's context of the task.
        secrets: the values of secret options by name.
        connections: Airflow connections as JSON, by id.

    Raises:
        ValueError: the run's ``conf`` has an invalid value for an option, or is too long.
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
            f"The run's conf is too long: with it, the run's document has {len(run_document)} bytes."
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
    """Return the values of options that the run's conf overrides. It cannot override secrets."""
    options = spec.manifest.configuration
    given = {name: value for name, value in conf.items() if name in options and not options[name].secret}
    for name, value in given.items():
        if violation := options[name].violation(value):
            raise ValueError(f"The run's conf is not valid: {name} {violation}.")
    return given


def measure_document(spec: DeploymentSpec, secrets: dict[str, Any]) -> int:
    """Return how many bytes of a run's document the deployment uses; ``LONGEST_DOCUMENT`` is the limit."""
    datasets = [item.model_dump() for item in [*spec.manifest.inputs, *spec.manifest.outputs]]
    return sum(len(json.dumps(part)) for part in (spec.configuration, secrets, *datasets))


def parse_result(text: str, outputs: list[Dataset]) -> KitResult:
    """Parse the result file of a kit.

    Args:
        text: the content of the file; empty if there is no file.
        outputs: the outputs that the manifest declares.

    Raises:
        ValueError: it is too long or not valid, or it reports an output that the manifest does not declare.
    """
    if not text.strip():
        return KitResult()
    length, too_long = len(text.encode()), f"the result is longer than {LONGEST_RESULT} bytes"
    if length > LONGEST_RESULT:
        raise ValueError(too_long)
    try:
        result = KitResult.model_validate_json(text)
    except ValidationError as error:
        if length == LONGEST_RESULT:  # Kubernetes cuts it there, so the result was longer
            raise ValueError(too_long) from None
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the document"
        raise ValueError(f"the result is not valid: {where}: {first['msg']}") from None
    unknown = sorted(set(result.outputs) - {name for item in outputs for name in list_output_names(item)})
    if unknown:
        raise ValueError(
            f"the result reports outputs that the manifest does not declare: {', '.join(unknown)}"
        )
    return result


def list_output_names(output: Dataset) -> tuple[str, ...]:
    """Return the names that a result may use for an output: with its schema, if it has one, and without."""
    return (output.name,) if output.schema_ is None else (f"{output.schema_}.{output.name}", output.name)


def describe_failure(spec: DeploymentSpec, kit_exit: KitExit, error: str | None) -> str:
    """Return the error that the kit reported, or else a sentence about its exit."""
    ended = f"{spec.manifest.name} ended with exit status {kit_exit.status}. {kit_exit.note}"
    return ((error or "").strip() or ended.strip())[:_LONGEST_ERROR]


def describe_last_line(text: str) -> str:
    """Return a note about the last line that a kit printed."""
    return f"Its last line: {text}" if text else ""
