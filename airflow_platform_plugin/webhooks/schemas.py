"""Webhooks over HTTP."""

from marshmallow import ValidationError, fields, validate

from airflow_platform_plugin.core import events
from airflow_platform_plugin.core.types import Json, Option
from airflow_platform_plugin.http.fields import (
    LONGEST_ID,
    LONGEST_LABEL,
    MOST_MEMBERS,
    Choice,
    Items,
    Line,
    Link,
    Mapping,
    Whole,
)
from airflow_platform_plugin.http.schemas import (
    InputSchema,
    PageQuery,
    ResponseSchema,
    Secret,
    Timestamp,
    order_by,
)
from airflow_platform_plugin.webhooks.inputs import NewWebhook

_HEADER_NAME = validate.Regexp(r"\A[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z", error="Is not an HTTP header's name.")
_HEADER_VALUE = validate.Regexp(r"\A[\x20-\x7e]*\Z", error="Must be printable ASCII.")

_LONGEST_URL = 2000
_MOST_ATTEMPTS = 20


def _name(**options: Option) -> Line:
    return Line(least=1, most=256, **options)


def _events(**options: Option) -> Items:
    return Items(Choice(events.types()), least=1, most=len(events.types()), **options)


class _Address(Link):
    """The URL of a receiver."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> str:
        url = super()._deserialize(value, *args, **kwargs)
        self._validate(url)  # its length and form, before it is parsed
        from airflow_platform_plugin.webhooks import transport  # with a client that few requests need

        try:
            transport.check_url(url)
        except ValueError as error:
            raise ValidationError(f"Nothing can be sent there: {error}.") from error
        return url


class _Headers(Mapping):
    """Headers that the user may set."""

    def _deserialize(self, value: Json, *args: Option, **kwargs: Option) -> dict[str, str]:
        headers: dict[str, str] = super()._deserialize(value, *args, **kwargs)
        errors: dict[str, list[str]] = {}
        seen: set[str] = set()
        for name, text in headers.items():
            problem = _problem(name, text, seen)
            if problem is not None:
                errors[name] = [problem]
            seen.add(name.lower())
        if errors:
            raise ValidationError(errors)
        return headers


def _problem(name: str, value: str, seen: set[str]) -> str | None:
    from airflow_platform_plugin.webhooks import transport  # as above

    if transport.is_framing(name):
        return "Cannot be set: it belongs to the connection, or describes the body."
    if name.lower() in seen:
        return "Is given twice: upper and lower case are the same."
    try:
        transport.check_header(name, value)
    except ValueError as error:
        return f"Cannot be sent: {error}."
    return None


def _headers(**options: Option) -> Mapping:
    # Together at most ``crypto.LONGEST``, because they are encrypted.
    name = Line(least=1, most=128, validate=_HEADER_NAME)
    value = Line(most=2000, validate=_HEADER_VALUE)
    return _Headers(keys=name, values=value, most=20, **options)


class FiltersInput(InputSchema):
    """The DAGs whose events are wanted; each list that is given must have a match."""

    dag_ids = Items(Line(most=LONGEST_ID), most=MOST_MEMBERS)
    tags = Items(Line(most=100), most=MOST_MEMBERS)


class RetryPolicyInput(InputSchema):
    """When and how often a failed delivery is attempted again."""

    max_attempts = Whole(least=1, most=_MOST_ATTEMPTS, load_default=3)
    backoff_seconds = Items(
        Whole(least=1, most=86_400), least=1, most=_MOST_ATTEMPTS, load_default=lambda: [10, 30, 60]
    )


class WebhookChange(InputSchema):
    """The fields of a webhook that can be changed; a field that is sent replaces the stored one."""

    # Read only: a response has it, and a caller may change a response and send it back.
    webhook_id = Line(most=LONGEST_ID, load_only=True)
    name = _name()
    url = _Address(most=_LONGEST_URL)
    events = _events()
    filters = fields.Nested(FiltersInput)
    headers = _headers()
    retry_policy = fields.Nested(RetryPolicyInput)


class WebhookInput(WebhookChange):
    """A webhook to create, for a tenant or for none."""

    into = NewWebhook
    ignored = ("webhook_id",)  # the server creates one

    tenant_id = Line(most=LONGEST_LABEL, allow_none=True)
    name = _name(required=True)
    url = _Address(most=_LONGEST_URL, required=True)
    events = _events(required=True)
    filters = fields.Nested(FiltersInput, load_default=dict)
    headers = _headers(load_default=dict)
    retry_policy = fields.Nested(RetryPolicyInput, load_default=lambda: RetryPolicyInput().load({}))


class WebhookQuery(PageQuery):
    """How the list of webhooks is ordered."""

    order_by = order_by("webhook_id", "name", "url", "created_at", "created_by")


class WebhookResponse(ResponseSchema):
    """A webhook without its secrets."""

    webhook_id = fields.String()
    tenant_id = fields.String(allow_none=True)
    name = fields.String()
    # Complete for a caller who may write webhooks; for others, the parts that may be a secret are ``***``.
    url = fields.String(attribute="shown_url")
    events = fields.List(fields.String())
    filters = fields.Nested(FiltersInput)
    # The names, with ``***`` for each value.
    headers = fields.Dict(keys=fields.String(), values=fields.String(), attribute="shown_headers")
    retry_policy = fields.Nested(RetryPolicyInput)
    created_at = Timestamp()
    created_by = fields.String()


class NewWebhookResponse(WebhookResponse):
    """A new webhook, with the secret that deliveries are signed with, which is shown only once."""

    secret = Secret()


class WebhookList(ResponseSchema):
    """A page of webhooks."""

    webhooks = fields.List(fields.Nested(WebhookResponse), attribute="items")
    total_entries = fields.Integer()
