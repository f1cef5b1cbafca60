"""The shapes of dictionaries that the client's methods take, for type checkers and editors."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict
from uuid import UUID

Json: TypeAlias = Any
"""Any value that JSON can carry; see ``to_json`` for the Python types that are converted."""

QueryValue: TypeAlias = str | int | float | bool | Decimal | date | time | UUID | None
QueryParameter: TypeAlias = QueryValue | Sequence[QueryValue]
"""What a ``:name`` in a SQL query can be bound to."""


class FieldError(TypedDict):
    """An invalid field of a request.

    Attributes:
        pointer: JSON pointer to the field in the body (RFC 6901), or ``/name`` of a query parameter.
        message: What is wrong with it.
    """

    pointer: str
    message: str


class AllowedDags(TypedDict, total=False):
    """The DAGs that an API key is limited to. A DAG is allowed if it matches one entry of either list.

    Attributes:
        dag_ids: Shell patterns of DAG ids, such as ``sales_*``.
        tags: Tags of DAGs.
    """

    dag_ids: Sequence[str]
    tags: Sequence[str]


class _RunKey(TypedDict):
    dag_id: str


class RunRequest(_RunKey, total=False):
    """A DAG run to trigger.

    Attributes:
        dag_id: The DAG (required).
        dag_run_id: Id of the new run; by default Airflow generates one.
        logical_date: Logical date of the run, with a time zone; by default now.
        conf: Configuration of the run.
        note: Note to show with the run.
    """

    dag_run_id: str
    logical_date: datetime
    conf: Mapping[str, Json]
    note: str


class _ClearKey(TypedDict):
    dag_id: str
    dag_run_id: str


class ClearRequest(_ClearKey, total=False):
    """Task instances of one DAG run to clear.

    Attributes:
        dag_id: The DAG (required).
        dag_run_id: The run (required).
        task_ids: The tasks; by default all tasks of the run.
        task_id: Short for a list of one task.
        only_failed: Whether to clear failed task instances only; by default false.
        include_upstream: Whether to clear the tasks before them as well; by default false.
        include_downstream: Whether to clear the tasks after them as well; by default false.
        reset_dag_runs: Whether a finished run becomes active again; by default true.
    """

    task_ids: Sequence[str]
    task_id: str
    only_failed: bool
    include_upstream: bool
    include_downstream: bool
    reset_dag_runs: bool


class _DatasetKey(TypedDict):
    name: str


class Dataset(_DatasetKey, total=False):
    """Data that a DataKit reads or writes.

    Attributes:
        name: Name, such as ``dim_customer`` (required).
        type: Kind of data; by default ``table``.
        schema: Schema that the name is in, such as ``gold``.
    """

    type: str
    schema: str | None


class _OptionKey(TypedDict):
    type: str


class ConfigurationOption(_OptionKey, total=False):
    """An option of a DataKit.

    Attributes:
        type: ``integer``, ``number``, ``string``, ``boolean``, ``array`` or ``object`` (required).
        default: Value where a deployment gives none; a secret has no default.
        description: What the option does.
        enum: The allowed values.
        minimum: The smallest allowed number.
        maximum: The largest allowed number.
        required: Whether each deployment must give a value.
        secret: Whether values are stored encrypted and shown as ``***``.
    """

    default: Json
    description: str
    enum: Sequence[Json]
    minimum: float
    maximum: float
    required: bool
    secret: bool


class Requirements(TypedDict, total=False):
    """What one run of a DataKit needs.

    Attributes:
        cpu: Kubernetes quantity of CPUs, such as ``2000m``.
        memory: Kubernetes quantity of bytes, such as ``4Gi``.
        gpu: Whether it needs a GPU.
    """

    cpu: str
    memory: str
    gpu: bool


class Notifications(TypedDict, total=False):
    """Who gets an email when a run of a deployment ends.

    Attributes:
        on_success: Email addresses for successful runs.
        on_failure: Email addresses for failed runs.
    """

    on_success: Sequence[str] | None
    on_failure: Sequence[str] | None


class AutoRollback(TypedDict):
    """When a deployment rolls back automatically.

    Attributes:
        after_failures: Number of failed runs in a row, 1 to 100.
    """

    after_failures: int


class WebhookFilters(TypedDict, total=False):
    """The DAGs of a webhook's events. An event must match each list that is given.

    Attributes:
        dag_ids: Ids of DAGs.
        tags: Tags of DAGs.
    """

    dag_ids: Sequence[str]
    tags: Sequence[str]


class RetryPolicy(TypedDict, total=False):
    """How a webhook's failed deliveries are retried.

    Attributes:
        max_attempts: Number of attempts in all, 1 to 20; by default 3.
        backoff_seconds: Seconds to wait before each retry; the last one repeats. By default 10, 30, 60.
    """

    max_attempts: int
    backoff_seconds: Sequence[int]
