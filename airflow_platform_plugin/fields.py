"""Fields and schemas that several features' HTTP edges share."""

from typing import Any

from airflow.configuration import conf
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_dump, validate
from pydantic import BaseModel

from airflow_platform_plugin import http, rates
from airflow_platform_plugin.names import DNS_LABEL_PATTERN
from airflow_platform_plugin.strict_json import MAX_INTEGER

MAX_LIMIT = conf.getint("api", "maximum_page_limit", fallback=100)  # the operator's, for Airflow's own lists

DNS_LABEL = validate.Regexp(
    rf"\A{DNS_LABEL_PATTERN}\Z",
    error="Must be lower-case letters, digits and hyphens, begin and end with a letter or digit, "
    "and have at most 63 characters.",
)


class Timestamp(fields.Field):
    """A moment in an answer: RFC 3339, UTC."""

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:  # noqa: ANN401 - marshmallow's signature
        return None if value is None else http.timestamp(value)


class Secret(fields.String):
    """A secret in an answer: shown this once, and not again for the same ``Idempotency-Key``."""


class Flag(fields.Boolean):
    """JSON's true or false and nothing else; marshmallow's own field takes words and numbers too."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:  # noqa: ANN401 - marshmallow's signature
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class CommaSeparated(fields.List):
    """A query parameter with several values, repeated or separated by commas."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - marshmallow's signature
        values = value if isinstance(value, list) else [value]
        parts = [part for item in values for part in str(item).split(",") if part]
        result: list[Any] = super()._deserialize(parts, *args, **kwargs)
        return result


class Document(fields.Dict):
    """A stored document in an answer; ``flat`` where its fields stand beside the answer's own."""

    def __init__(self, model: type[BaseModel], *, flat: bool = False, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's
        super().__init__(**kwargs)
        self.model = model
        self.flat = flat


class Mapping(fields.Dict):
    """A mapping whose errors lie at the key itself, not at ``key`` or ``value`` below it."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - marshmallow's signature
        try:
            return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            flat = {
                key: [m for part in parts.values() for m in part] for key, parts in error.messages.items()
            }
            raise ValidationError(flat) from error


class RateLimits(Mapping):
    """Limits by class of request: ``{"read": "5000/minute"}``, as ``rates.parse`` reads them."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - marshmallow's
        known = [rate.value for rate in rates.LIMITED]
        super().__init__(
            keys=fields.String(validate=validate.OneOf(known, error="Unknown; known are: {choices}.")),
            values=fields.String(validate=_rate_limit),
            **options,
        )


def _rate_limit(text: str) -> None:
    try:
        rates.parse(text)
    except ValueError as error:
        raise ValidationError(f"Is not a limit such as 100/minute: {error}") from error


class InputSchema(Schema):
    """A body or query: unknown fields are refused by name."""

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = RAISE


class AnswerSchema(Schema):
    """An answer: only dumped."""

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = EXCLUDE

    @post_dump
    def _flatten(self, dumped: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: ANN401 - marshmallow's
        for name, declared in self.fields.items():
            if isinstance(declared, Document) and declared.flat:
                dumped |= dumped.pop(name)
        return dumped


class PageQuery(InputSchema):
    """What every list takes; one that can be ordered adds ``order_by``."""

    limit = fields.Integer(load_default=min(100, MAX_LIMIT), validate=validate.Range(min=1, max=MAX_LIMIT))
    offset = fields.Integer(load_default=0, validate=validate.Range(min=0, max=MAX_INTEGER))


def order_by(*columns: str) -> fields.String:
    """The parameter of a list that can be ordered by those columns; ``-column`` descends."""
    choices = [f"{sign}{column}" for column in columns for sign in ("", "-")]
    return fields.String(
        validate=validate.OneOf(choices, error="Cannot order by {input!r}; known are: {choices}.")
    )
