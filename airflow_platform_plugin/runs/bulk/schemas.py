"""Bulk operations over HTTP. An item's ``status`` is that of a separate request."""

from typing import Any

from marshmallow import ValidationError, fields, post_load

from airflow_platform_plugin.core.types import Option
from airflow_platform_plugin.http.fields import (
    LONGEST_CONF,
    LONGEST_ID,
    Flag,
    Items,
    JsonObject,
    Line,
    Moment,
    Text,
)
from airflow_platform_plugin.http.schemas import InputSchema, ResponseSchema
from airflow_platform_plugin.runs.bulk.inputs import ClearRequest, NewRun, NewRuns, TasksToClear

MOST_ITEMS = 1000


def _id(**options: Option) -> Line:
    return Line(least=1, most=LONGEST_ID, **options)


def _items(member: fields.Field, **options: Option) -> Items:
    return Items(member, least=1, most=MOST_ITEMS, **options)


class RunInput(InputSchema):
    """A run to trigger; without a logical date it gets the current time."""

    into = NewRun

    dag_id = _id(required=True)
    dag_run_id = _id(load_default=None, allow_none=True)
    logical_date = Moment(load_default=None, allow_none=True)
    conf = JsonObject(most_bytes=LONGEST_CONF, load_default=dict)
    note = Text(most=1000, load_default=None, allow_none=True)


class TriggerInput(InputSchema):
    """Runs to trigger, of any DAGs."""

    into = NewRuns

    runs = _items(fields.Nested(RunInput), required=True)


class TasksInput(InputSchema):
    """Tasks of one run to clear: those that are named, or all."""

    into = TasksToClear

    dag_id = _id(required=True)
    dag_run_id = _id(required=True)
    task_ids = _items(_id(), load_default=None, allow_none=True)
    task_id = _id()
    only_failed = Flag(load_default=False)
    include_upstream = Flag(load_default=False)
    include_downstream = Flag(load_default=False)
    reset_dag_runs = Flag(load_default=True)

    @post_load
    def _build_input(self, loaded: dict[str, Any], **_: Option) -> TasksToClear:
        """Read ``task_id``, which is short for a list of one."""
        if "task_id" in loaded:
            if loaded["task_ids"] is not None:
                raise ValidationError("Either this or task_ids.", "task_id")
            loaded["task_ids"] = [loaded.pop("task_id")]
        return TasksToClear(**loaded)


class ClearInput(InputSchema):
    """Tasks to clear, of any runs; a dry run only returns them."""

    into = ClearRequest

    tasks = _items(fields.Nested(TasksInput), required=True)
    dry_run = Flag(load_default=False)


class ErrorResponse(ResponseSchema):
    """Why an item has failed, as in the response to a separate request."""

    code = fields.String()
    message = fields.String()
    details = fields.Dict()
    request_id = fields.String()
    timestamp = fields.String()


class ItemResponse(ResponseSchema):
    """What became of one item; it has an ``error`` unless the status is one of success."""

    status = fields.Integer()
    error = fields.Nested(ErrorResponse, allow_none=True)


class TriggeredResponse(ItemResponse):
    """What became of one run, in the form of Airflow's own endpoint."""

    dag_run = fields.Dict(allow_none=True)


class TaskInstanceResponse(ResponseSchema):
    """A task instance that was cleared."""

    dag_id = fields.String()
    dag_run_id = fields.String(attribute="run_id")
    task_id = fields.String()
    map_index = fields.Integer()


class ClearedResponse(ItemResponse):
    """What was cleared of one run."""

    task_instances = fields.List(fields.Nested(TaskInstanceResponse), allow_none=True)


class _Results(ResponseSchema):
    succeeded = fields.Integer()
    failed = fields.Integer()


class TriggerResponse(_Results):
    """What became of each run, in the order of the request."""

    results = fields.List(fields.Nested(TriggeredResponse))


class ClearResponse(_Results):
    """What became of each item, in the order of the request."""

    results = fields.List(fields.Nested(ClearedResponse))
