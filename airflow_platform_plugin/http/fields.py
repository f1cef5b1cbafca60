"""Fields and schemas that several features' HTTP edges share.

What a caller sends is read by the fields of this module alone, for each of them has a bound: ``Text``,
``Line``, ``Choice``, ``Email``, ``Link``, ``Whole``, ``Number``, ``Flag``, ``Moment``, ``Items``,
``CommaSeparated``, ``Mapping`` and ``JsonObject``. They look at the bound first, before any pattern or
member is: marshmallow's own fields run every validator, the slow ones on what is too long as well.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as AnyMapping
from datetime import datetime, timezone
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_dump, post_load, validate
from pydantic import BaseModel

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core import pagination, rate_limits
from airflow_platform_plugin.core.naming import DNS_LABEL_PATTERN
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.core.types import Json, Loaded, Option
from airflow_platform_plugin.http.ijson import MAX_INTEGER, is_line

# What MySQL's timestamps can hold.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(2038, 1, 1, tzinfo=timezone.utc)

# The lengths of columns, ours and Airflow's.
LONGEST_LABEL = 63  # a tenant's, a kit's, a namespace's, an environment's name
LONGEST_ID = 250  # a DAG's, a run's, a task's, a connection's
LONGEST_USER = 256  # a user's name
LONGEST_ADDRESS = 254  # a mail's (RFC 5321)
LONGEST_SEARCH = 200
LONGEST_REASON = 1000
# Of what is kept as JSON.
MOST_MEMBERS = 100
MOST_NAMES = 1000
# Of a run's conf: Airflow pickles it, which may make it nearly twice as long, and MySQL keeps 65,535 bytes.
LONGEST_CONF = 32_768
# Of a name: a JSON object's, one in a path, which no column holds more of, and a version in If-Match.
LONGEST_NAME = 250

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
LONGEST_MOMENT = 40
_PRINTABLE = re.compile(r"[ -~]+")  # else any digits of Unicode, and a line break at the end

Validator = Callable[[Any], Any]
Validators = Validator | Sequence[Validator]

MAX_LIMIT = config.max_page_size()  # the operator's, for Airflow's own lists

DNS_LABEL = validate.Regexp(
    rf"\A{DNS_LABEL_PATTERN}\Z",
    error="Must be lower-case letters, digits and hyphens, begin and end with a letter or digit, "
    "and have at most 63 characters.",
)


class Timestamp(fields.Field):
    """A moment in an answer: RFC 3339, UTC."""

    def _serialize(self, value: datetime | None, *_: object, **__: object) -> str | None:
        return None if value is None else timestamp(value)


class Secret(fields.String):
    """A secret in an answer: shown this once, and not again for the same ``Idempotency-Key``."""


class Text(fields.String):
    """Text of a bounded length."""

    def __init__(
        self,
        *,
        most: int,
        least: int = 0,
        validate: Validators = (),
        **options: Option,
    ) -> None:
        super().__init__(validate=validate, **options)
        self.bound = _length(least, most)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> str:
        text: str = super()._deserialize(value, *args, **kwargs)
        self.bound(text)
        return text


class Line(Text):
    """Text that is shown in a line, such as a name: without line breaks and other control characters."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not is_line(text):
            raise ValidationError("Must be one line, without control characters.")
        return text


class Email(Line):
    """A mail address."""

    def __init__(self, **options: Option) -> None:
        super().__init__(most=LONGEST_ADDRESS, validate=validate.Email(), **options)


class Link(Line):
    """An absolute ``http`` or ``https`` URL."""

    def __init__(self, *, most: int, **options: Option) -> None:
        valid = validate.URL(schemes={"http", "https"}, require_tld=False)
        super().__init__(most=most, validate=valid, **options)


class Choice(fields.String):
    """One of some words."""

    def __init__(
        self,
        choices: Collection[str],
        *,
        error: str = "Unknown; known are: {choices}.",
        **options: Option,
    ) -> None:
        super().__init__(validate=validate.OneOf(list(choices), error=error), **options)


class Whole(fields.Integer):
    """JSON's integer within bounds; in a query string its decimal digits."""

    def __init__(self, *, least: int, most: int, **options: Option) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> int | None:
        if _is_of_query(self):
            value = int(self._digits(value))
        return super()._deserialize(value, *args, **kwargs)

    def _digits(self, value: Json) -> str:
        if not (isinstance(value, str) and _INTEGER.fullmatch(value)):
            raise self.make_error("invalid", input=value)
        return value


class Number(fields.Float):
    """JSON's number within bounds; in a query string a decimal one."""

    def __init__(self, *, least: float, most: float, **options: Option) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> float | None:
        of_query = _is_of_query(self)
        is_number = isinstance(value, str) and _DECIMAL.fullmatch(value) if of_query else _is_number(value)
        if not is_number:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **kwargs)


class Flag(fields.Boolean):
    """JSON's true or false and nothing else; in a query string a word such as ``true`` or ``1``."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> bool | None:
        if isinstance(value, bool) if not _is_of_query(self) else isinstance(value, str):
            found: bool | None = super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
            return found
        raise self.make_error("invalid", input=value)


class Moment(fields.AwareDateTime):
    """A moment with its zone as in RFC 3339, that every database stores.

    Args:
        default_timezone: of one without a zone; unless given, that is refused.
    """

    def __init__(self, *, validate: Validators = (), **options: Option) -> None:
        super().__init__(format="iso", validate=[within_timestamps, *_listed(validate)], **options)
        self.bound = _length(0, LONGEST_MOMENT)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> datetime:
        if not (isinstance(value, str) and len(value) <= LONGEST_MOMENT and _PRINTABLE.fullmatch(value)):
            raise self.make_error("invalid", input=value, obj_type="datetime")
        found: datetime = super()._deserialize(value, *args, **kwargs)
        return found


class Items(fields.List):
    """A list with a bounded number of members."""

    def __init__(
        self,
        member: fields.Field,
        *,
        most: int,
        least: int = 0,
        validate: Validators = (),
        **options: Option,
    ) -> None:
        super().__init__(member, validate=validate, **options)
        self.bound = _length(least, most)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> list[Any]:
        if isinstance(value, list):
            self.bound(value)
        found: list[Any] = super()._deserialize(value, *args, **kwargs)
        return found


class CommaSeparated(Items):
    """A query parameter with several values, repeated or separated by commas."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> list[Any]:
        values = value if isinstance(value, list) else [value]
        parts = [part for item in values for part in str(item).split(",") if part]
        return super()._deserialize(parts, *args, **kwargs)


class Document(fields.Dict):
    """A stored document in an answer; ``flat`` where its fields stand beside the answer's own."""

    def __init__(self, model: type[BaseModel], *, flat: bool = False, **kwargs: Option) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.flat = flat


class Mapping(fields.Dict):
    """A mapping with a bounded number of names; its errors lie at the name, not at ``key`` below it."""

    def __init__(
        self,
        *,
        keys: fields.Field,
        values: fields.Field | None = None,
        most: int,
        **options: Option,
    ) -> None:
        super().__init__(keys=keys, values=values, **options)
        self.bound = _length(0, most)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> Loaded:
        if isinstance(value, AnyMapping):
            self.bound(value)
        try:
            return super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
        except ValidationError as error:
            if not isinstance(error.messages, dict):
                raise
            flat = {
                key: [m for part in parts.values() for m in part] for key, parts in error.messages.items()
            }
            raise ValidationError(flat) from error


class JsonObject(Mapping):
    """An object whose values are any JSON, of a bounded length as a whole."""

    def __init__(
        self,
        *,
        most_bytes: int,
        most: int = MOST_NAMES,
        keys: fields.Field | None = None,
        **options: Option,
    ) -> None:
        super().__init__(keys=keys or Text(most=LONGEST_NAME), most=most, **options)
        self.most_bytes = most_bytes

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> Loaded:
        found = super()._deserialize(value, *args, **kwargs)
        require_bytes(found, self.most_bytes)
        return found


class RateLimits(Mapping):
    """Limits by class of request: ``{"read": "5000/minute"}``, as ``rates.parse`` reads them."""

    def __init__(self, **options: Option) -> None:
        known = [rate.value for rate in rate_limits.LIMITED]
        super().__init__(
            keys=Choice(known),
            values=Line(most=rate_limits.LONGEST_TEXT, validate=_rate_limit),
            most=len(known),
            **options,
        )


def _rate_limit(text: str) -> None:
    try:
        rate_limits.parse(text)
    except ValueError as error:
        raise ValidationError(f"Is not a limit such as 100/minute: {error}") from error


class InputSchema(Schema):
    """A body: unknown fields are refused by name.

    Attributes:
        into: the class of the service's input, whose fields have the same names; without one it is a dict,
            such as the ``TypedDict`` of a change, in which only what was given is set.
        ignored: fields that may be sent, as they are in a response, and are not the caller's to set.
    """

    into: ClassVar[type | None] = None
    ignored: ClassVar[tuple[str, ...]] = ()

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = RAISE

    @post_load
    def _make(self, loaded: dict[str, Any], **_: object) -> Loaded:
        for name in self.ignored:
            loaded.pop(name, None)
        return loaded if self.into is None else self.into(**loaded)


class QuerySchema(InputSchema):
    """A query string, whose numbers and flags are text."""


class ResponseSchema(Schema):
    """An answer: only dumped."""

    class Meta:  # noqa: D106 - marshmallow's own
        unknown = EXCLUDE

    @post_dump
    def _flatten(self, dumped: dict[str, Any], **_: object) -> dict[str, Any]:
        for name, declared in self.fields.items():
            if isinstance(declared, Document) and declared.flat:
                dumped |= dumped.pop(name)
        return dumped


class PageQuery(QuerySchema):
    """What every list takes; one that can be ordered adds ``order_by``."""

    into: ClassVar[type | None] = pagination.Query

    limit = Whole(load_default=min(100, MAX_LIMIT), least=1, most=MAX_LIMIT)
    offset = Whole(load_default=0, least=0, most=MAX_INTEGER)


def order_by(*columns: str) -> Choice:
    """The parameter of a list that can be ordered by those columns; ``-column`` descends."""
    choices = [f"{sign}{column}" for column in columns for sign in ("", "-")]
    return Choice(choices, error="Cannot order by this; known are: {choices}.")


def dns_label(**options: Option) -> Text:
    """A name as Kubernetes has them (RFC 1123's label)."""
    return Text(most=LONGEST_LABEL, validate=DNS_LABEL, **options)


def require_bytes(document: Json, most: int) -> None:
    """Refuse a document whose JSON is longer.

    Raises:
        ValidationError: it is.
    """
    if len(json.dumps(document)) > most:
        raise ValidationError(f"Must have at most {most} bytes of JSON.")


def within_timestamps(moment: datetime) -> None:
    """Refuse a moment that some database cannot store.

    Raises:
        ValidationError: it is one.
    """
    if not EARLIEST <= moment < LATEST:
        raise ValidationError(
            f"Must be {EARLIEST.date()} or later, and before {LATEST.date()}: every database stores that."
        )


def _is_of_query(field: fields.Field) -> bool:
    return isinstance(field.root, QuerySchema)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _length(least: int, most: int) -> validate.Length:
    return validate.Length(least or None, most)


def _listed(validators: Validators) -> list[Any]:
    return list(validators) if isinstance(validators, Sequence) else [validators]
