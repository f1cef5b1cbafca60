"""Bulk operations over HTTP. An item's ``status`` is what a request for it alone would have been answered."""

from typing import Any

from marshmallow import ValidationError, fields, post_load

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

MOST_ITEMS = 1000


def _id(**options: Any) -> Line:  # noqa: ANN401 - marshmallow's
    return Line(least=1, most=LONGEST_ID, **options)


def _items(member: fields.Field, **options: Any) -> Items:  # noqa: ANN401 - marshmallow's
    return Items(member, least=1, most=MOST_ITEMS, **options)


class RunInput(InputSchema):
    """A run as it is triggered; without a logical date it is of this moment."""

    dag_id = _id(required=True)
    dag_run_id = _id(load_default=None, allow_none=True)
    logical_date = Moment(load_default=None, allow_none=True)
    conf = JsonObject(most_bytes=LONGEST_CONF, load_default=dict)
    note = Text(most=1000, load_default=None, allow_none=True)


class TriggerInput(InputSchema):
    """Runs to trigger, of any DAGs."""

    runs = _items(fields.Nested(RunInput), required=True)


class TasksInput(InputSchema):
    """Tasks of one run that are to run again: those that are named, or all."""

    dag_id = _id(required=True)
    dag_run_id = _id(required=True)
    task_ids = _items(_id(), load_default=None, allow_none=True)
    task_id = _id()
    only_failed = Flag(load_default=False)
    include_upstream = Flag(load_default=False)
    include_downstream = Flag(load_default=False)
    reset_dag_runs = Flag(load_default=True)

    @post_load
    def _one_task(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: ANN401 - marshmallow's signature
        """``task_id`` is short for a list of one."""
        if "task_id" in data:
            if data["task_ids"] is not None:
                raise ValidationError("Either this or task_ids.", "task_id")
            data["task_ids"] = [data.pop("task_id")]
        return data


class ClearInput(InputSchema):
    """Tasks to clear, of any runs; a dry run only tells which they are."""

    tasks = _items(fields.Nested(TasksInput), required=True)
    dry_run = Flag(load_default=False)


class ErrorResponse(ResponseSchema):
    """Why an item has failed, as it would stand in an answer of its own."""

    code = fields.String()
    message = fields.String()
    details = fields.Dict()
    request_id = fields.String()
    timestamp = fields.String()


class ItemResponse(ResponseSchema):
    """What became of one item: there is an ``error`` where the status is not one of success."""

    status = fields.Integer()
    error = fields.Nested(ErrorResponse, allow_none=True)


class TriggeredResponse(ItemResponse):
    """What became of one run, as Airflow's own endpoint shows a run."""

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
