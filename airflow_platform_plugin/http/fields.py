"""Fields of bodies and query strings. Each has a bound, so schemas use only these for what callers send.

A field checks its bound before any pattern and before its members. marshmallow's own fields run all
validators, so a slow one would also run on text that is too long.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from collections.abc import Mapping as AnyMapping
from datetime import datetime, timezone
from typing import Any

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.airflow_compat import config
from airflow_platform_plugin.core.naming import DNS_LABEL_PATTERN
from airflow_platform_plugin.core.types import Json, Loaded, Option
from airflow_platform_plugin.http.ijson import is_line

# The range of MySQL's timestamps.
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=timezone.utc), datetime(2038, 1, 1, tzinfo=timezone.utc)

# The lengths of columns, ours and Airflow's.
LONGEST_LABEL = 63  # a tenant's, a kit's, a namespace's, an environment's name
LONGEST_ID = 250  # a DAG's, a run's, a task's, a connection's
LONGEST_USER = 512  # a user's name
LONGEST_ADDRESS = 254  # a mail's (RFC 5321)
LONGEST_SEARCH = 200
LONGEST_REASON = 1000
# Of lists and objects that are stored as JSON.
MOST_MEMBERS = 100
MOST_NAMES = 1000
# Of a run's conf: Airflow pickles it, which can nearly double its length, and MySQL stores 65,535 bytes.
LONGEST_CONF = 32_768
# Of a name in a JSON object or in a path, and of a version in If-Match.
LONGEST_NAME = 250
# Of values in paths, by the parameter's name, unless it is LONGEST_NAME.
LONGEST_IN_PATH = {"username": LONGEST_USER}

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
LONGEST_MOMENT = 40
_PRINTABLE = re.compile(r"[ -~]+")  # the parser would accept all digits of Unicode and a final line break

Validator = Callable[[Any], Any]
Validators = Validator | Sequence[Validator]

MAX_LIMIT = config.max_page_size()  # the operator's, for Airflow's own lists

DNS_LABEL = validate.Regexp(
    rf"\A{DNS_LABEL_PATTERN}\Z",
    error="Must be lower-case letters, digits and hyphens, begin and end with a letter or digit, "
    "and have at most 63 characters.",
)


class QueryString:
    """A mark of schemas that read a query string, where numbers and flags are text."""


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
    """One line of text, such as a name, without control characters."""

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
    """One of a set of words."""

    def __init__(
        self,
        choices: Collection[str],
        *,
        error: str = "Unknown; known are: {choices}.",
        **options: Option,
    ) -> None:
        super().__init__(validate=validate.OneOf(list(choices), error=error), **options)


class Whole(fields.Integer):
    """An integer within bounds; in a query string, decimal digits."""

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
    """A number within bounds; in a query string, a decimal number."""

    def __init__(self, *, least: float, most: float, **options: Option) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> float | None:
        of_query = _is_of_query(self)
        is_number = isinstance(value, str) and _DECIMAL.fullmatch(value) if of_query else _is_number(value)
        if not is_number:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, *args, **kwargs)


class Flag(fields.Boolean):
    """JSON's true or false; in a query string, a word such as ``true`` or ``1``."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> bool | None:
        if isinstance(value, bool) if not _is_of_query(self) else isinstance(value, str):
            found: bool | None = super()._deserialize(value, *args, **kwargs)  # type: ignore[no-untyped-call]
            return found
        raise self.make_error("invalid", input=value)


class Moment(fields.AwareDateTime):
    """A time with its zone (RFC 3339), in the range that every database stores.

    Args:
        default_timezone: the zone of a time without one; if it is not given, such a time is an error.
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


class Mapping(fields.Dict):
    """A mapping with a bounded number of names. Errors point to the name, not to ``key`` below it."""

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
    """A JSON object with any values, of a bounded length in all."""

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


def dns_label(**options: Option) -> Text:
    """Return a field for a name of Kubernetes, a label of RFC 1123."""
    return Text(most=LONGEST_LABEL, validate=DNS_LABEL, **options)


def require_bytes(document: Json, most: int) -> None:
    """Check the length of a document's JSON.

    Raises:
        ValidationError: it has more than ``most`` bytes.
    """
    if len(json.dumps(document)) > most:
        raise ValidationError(f"Must have at most {most} bytes of JSON.")


def within_timestamps(moment: datetime) -> None:
    """Check that every database can store a time.

    Raises:
        ValidationError: the time is too early or too late for one of them.
    """
    if not EARLIEST <= moment < LATEST:
        raise ValidationError(
            f"Must be {EARLIEST.date()} or later, and before {LATEST.date()}: every database stores that."
        )


def _is_of_query(field: fields.Field) -> bool:
    return isinstance(field.root, QueryString)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _length(least: int, most: int) -> validate.Length:
    return validate.Length(least or None, most)


def _listed(validators: Validators) -> list[Any]:
    return list(validators) if isinstance(validators, Sequence) else [validators]
