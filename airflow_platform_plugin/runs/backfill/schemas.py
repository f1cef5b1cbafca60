"""Backfills over HTTP."""

from datetime import date, datetime, timedelta

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.core.types import Json, Loaded, Option
from airflow_platform_plugin.http.fields import (
    EARLIEST,
    LATEST,
    LONGEST_CONF,
    LONGEST_ID,
    LONGEST_MOMENT,
    Choice,
    Flag,
    JsonObject,
    Line,
    Whole,
)
from airflow_platform_plugin.http.schemas import InputSchema, PageQuery, ResponseSchema, Timestamp, order_by
from airflow_platform_plugin.runs.backfill.inputs import BackfillFilter, NewBackfill
from airflow_platform_plugin.runs.backfill.models import State

REPROCESS = ("none", "failed", "all")
ACTIONS = ("create", "clear", "skip")
_STATES = [state.value for state in State]
# The last day that ends before ``LATEST`` in every zone.
_EARLIEST, _LATEST = EARLIEST.date(), LATEST.date() - timedelta(days=2)


class DateOrTime(Line):
    """A date such as 2024-01-31, or a moment as in RFC 3339, whose zone may be missing."""

    def __init__(self, **options: Option) -> None:
        super().__init__(most=LONGEST_MOMENT, **options)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> Loaded:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            found: date | datetime = (
                date.fromisoformat(text) if len(text) <= len("2024-01-31") else _moment(text)
            )
        except ValueError as error:
            raise ValidationError("Must be a date such as 2024-01-31 or 2024-01-31T06:00:00Z.") from error
        day = found.date() if isinstance(found, datetime) else found
        if not _EARLIEST <= day <= _LATEST:
            raise ValidationError(f"Must be {_EARLIEST} to {_LATEST}.")
        return found


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know the Z


class BackfillInput(InputSchema):
    """A backfill to create. Both dates are included; without a zone they are in the DAG's."""

    into = NewBackfill

    start_date = DateOrTime(required=True)
    end_date = DateOrTime(required=True)
    conf = JsonObject(most_bytes=LONGEST_CONF, load_default=dict)
    max_active_runs = Whole(least=1, most=1000, load_default=None, allow_none=True)
    reprocess = Choice(REPROCESS, load_default="none")
    run_backwards = Flag(load_default=False)
    dry_run = Flag(load_default=False)


class BackfillQuery(PageQuery):
    """Which of a DAG's backfills are wanted."""

    into = BackfillFilter

    state = Choice(_STATES)
    order_by = order_by("backfill_id", "state", "start_date", "end_date", "created_at", "ended_at")


class AnyBackfillQuery(BackfillQuery):
    """Which backfills are wanted."""

    dag_id = Line(most=LONGEST_ID)


class ProgressResponse(ResponseSchema):
    """What became of the dates; ``running`` counts queued runs too."""

    total = fields.Integer()
    total_is_estimate = fields.Boolean()
    created = fields.Integer()
    cleared = fields.Integer()
    skipped = fields.Integer()
    running = fields.Integer()
    success = fields.Integer()
    failed = fields.Integer()
    remaining = fields.Integer()


class BackfillResponse(ResponseSchema):
    """A backfill; ``message`` says why nothing happens, or why it has failed."""

    backfill_id = fields.String()
    dag_id = fields.String()
    state = fields.String(validate=validate.OneOf(_STATES))
    message = fields.String(allow_none=True)
    start_date = Timestamp()
    end_date = Timestamp()
    conf = fields.Dict()
    max_active_runs = fields.Integer()
    reprocess = fields.String(validate=validate.OneOf(REPROCESS))
    run_backwards = fields.Boolean()
    progress = fields.Nested(ProgressResponse)
    created_at = Timestamp()
    created_by = fields.String()
    ended_at = Timestamp(allow_none=True)


class FirstRunResponse(ResponseSchema):
    """What will be done about a date; ``dag_run_id`` is the existing run."""

    logical_date = Timestamp()
    data_interval_start = Timestamp()
    data_interval_end = Timestamp()
    action = fields.String(validate=validate.OneOf(ACTIONS))
    dag_run_id = fields.String(allow_none=True)


class NewBackfillResponse(BackfillResponse):
    """A new backfill, with its earliest dates; without an id after a dry run."""

    backfill_id = fields.String(allow_none=True)
    first_runs = fields.List(fields.Nested(FirstRunResponse))


class BackfillList(ResponseSchema):
    """A page of backfills."""

    backfills = fields.List(fields.Nested(BackfillResponse), attribute="items")
    total_entries = fields.Integer()
