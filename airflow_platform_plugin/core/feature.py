"""``Feature``: everything that a feature adds to the platform, declared once in its ``feature.py``.

``airflow_platform_plugin.features.FEATURES`` is the only list of features. Webserver, worker, console,
migrations, scopes, consent page and OpenAPI document all read it, in every process alike. A declaration is
light: code is named by references such as ``"webhooks.api:blueprint"``, which are imported when needed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.core.naming import TenantRole
from airflow_platform_plugin.core.types import Resolved

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from sqlalchemy.sql import Select

    from airflow_platform_plugin.core.principal import Principal

_PACKAGE = "airflow_platform_plugin"

# ``module:name`` below our package, such as ``"webhooks.api:blueprint"``.
ImportPath = str


@dataclass(frozen=True)
class ScopedResource:
    """A resource of scopes: ``<name>:read`` and ``<name>:write``.

    Attributes:
        name: the resource's name in scopes, such as ``webhooks``.
        read: what the scope to read allows, for the consent page.
        write: what the scope to write allows, which includes reading.
        verbs: scopes that neither of the two implies, by their verb, with what they allow.
    """

    name: str
    read: str
    write: str
    verbs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EventType:
    """A type of events.

    Attributes:
        name: such as ``dag.success``.
        description: what has happened, in one sentence; docs/events.md repeats it.
        payload: the pydantic model of the event's ``data``.
    """

    name: str
    description: str
    payload: ImportPath


class Lane(Enum):
    """A thread of the worker. A step that hangs holds up the steps of its own lane alone."""

    EVENTS = "events"  # what happened is recorded, and handed to the consumers of events
    BACKFILLS = "backfills"
    DELIVERIES = "deliveries"
    MAILS = "mails"
    DEPLOYMENTS = "deployments"
    EXPIRY = "expiry"  # old rows are deleted


@dataclass(frozen=True)
class WorkerStep:
    """A step of the worker: idempotent, in transactions of its own.

    Attributes:
        name: the step's name in logs and for ``doctor``.
        lane: the thread that runs it.
        run: does a part of the work and returns how much; called again at once while that is more than 0.
        loop: what the worker calls instead, where the step is alone in its lane:
            ``loop(stopping, interval, finished)`` works until the event ``stopping`` is set, and calls
            ``finished`` after each round.
        silent_after: how long the step may take before ``doctor`` reports it.
    """

    name: str
    lane: Lane
    run: ImportPath
    loop: ImportPath | None = None
    silent_after: timedelta = timedelta(minutes=3)


@dataclass(frozen=True)
class TenantResource:
    """One kind of thing that tenants own.

    Attributes:
        name: its name in responses, in the plural: ``deployments``.
        ids: the ids of those that a tenant owns.
        delete: delete all that a tenant owns, or end it where its history stays.
        changed: react to a change of the tenant's limits or features.
        requirements: what those of a tenant need, in CPUs, bytes and GPUs, by resource.
    """

    name: str
    ids: "Callable[[Session, str], list[str]]"
    delete: "Callable[[Session, str], None]"
    changed: "Callable[[Session, str], None]" = lambda _session, _tenant_id: None
    requirements: "Callable[[Session, str], dict[str, Decimal]]" = lambda _session, _tenant_id: {}


@dataclass(frozen=True)
class ReferenceFinder:
    """One kind of thing that may refer to connections.

    Attributes:
        name: its name in responses, in the plural: ``dags``.
        find: those that refer to the connection of that id and that the caller may read, ready for JSON.
    """

    name: str
    find: "Callable[[Session, str, Principal], list[dict[str, Any]]]"


@dataclass(frozen=True)
class EventReference:
    """Rows of a feature that refer to events by their ids.

    Attributes:
        undeletable_ids: selects the ids of events that must not be deleted yet.
        delete_rows: deletes the rows that refer to those events.
    """

    undeletable_ids: "Callable[[], Select]"
    delete_rows: "Callable[[Session, list[str]], None]" = lambda _session, _event_ids: None


@dataclass(frozen=True)
class Feature:
    """What a feature adds to the platform. All references are optional.

    Attributes:
        name: its package below ours: ``webhooks``, ``auth.oauth``.
        tag: the tag of its endpoints in the OpenAPI document.
        blueprints: its API, called by programs, so without protection against CSRF.
        pages: its pages, called by browsers, so with that protection.
        orm_hooks: called in every process that makes a web application, also Airflow's command line.
        request_hooks: called with the application and a blueprint before any route is added, to hook into
            requests, Airflow's own too. Features do so in the order of ``FEATURES``.
        install: called with the application after all routes were added.
        models: modules with tables.
        resources: its resources of scopes.
        roles: the scopes that each role in a tenant has: ``viewer``, ``member``, ``admin``.
        events: its types of events.
        consumers: by name, what it does with new events, in the transaction that marks them.
        event_subscribers: its tables without whose rows its consumers want no event.
        event_references: its rows that refer to events.
        worker_steps: its steps of the worker.
        tenant_resources: what tenants own of it.
        connection_references: what refers to connections.
        dag_owners: selects the DAGs that the feature makes: the columns ``dag_id`` and ``tenant_id``, which
            is NULL for no tenant.
        dag_files: selects the files whose DAGs the feature alone makes.
        datakit_references: what refers to versions of DataKits: each is called with the session, the kit's
            name and its version, and returns the ids of what uses that version.
        service_urls: returns URLs of services that the platform itself uses, which no tenant may reach.
        settings: its group of settings.
        commands: called with the subparsers of ``airflow-platform``, to add its commands.
        checks: by name, its checks for ``doctor``: each returns whether all is well, and a sentence.
    """

    name: str
    tag: str
    blueprints: tuple[ImportPath, ...] = ()
    pages: tuple[ImportPath, ...] = ()
    orm_hooks: ImportPath | None = None
    request_hooks: ImportPath | None = None
    install: ImportPath | None = None
    models: tuple[str, ...] = ()
    resources: tuple[ScopedResource, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    events: tuple[EventType, ...] = ()
    consumers: Mapping[str, ImportPath] = field(default_factory=dict)
    event_subscribers: tuple[str, ...] = ()
    event_references: tuple[ImportPath, ...] = ()
    worker_steps: tuple[WorkerStep, ...] = ()
    tenant_resources: tuple[ImportPath, ...] = ()
    connection_references: tuple[ImportPath, ...] = ()
    dag_owners: ImportPath | None = None
    dag_files: ImportPath | None = None
    datakit_references: tuple[ImportPath, ...] = ()
    service_urls: ImportPath | None = None
    settings: ImportPath | None = None
    commands: ImportPath | None = None
    checks: Mapping[str, ImportPath] = field(default_factory=dict)


def resolve(reference: ImportPath) -> Resolved:
    """Import what a reference names."""
    return resolve_name(f"{_PACKAGE}.{reference}")


@cache
def features() -> tuple[Feature, ...]:
    """Return all features: each after those that it is built on."""
    # The one import from the core upwards: the list itself, which imports declarations alone.
    from airflow_platform_plugin.features import FEATURES

    return FEATURES


def load_models() -> None:
    """Import the tables of the core and of every feature, so that our metadata knows them all."""
    for module in ("core.events", "core.cursors", "core.heartbeat", "http.idempotency"):
        resolve(module)
    for feature in features():
        for module in feature.models:
            resolve(module)


def tenant_resources() -> list[TenantResource]:
    """Return what tenants own, in the order in which it ends with them: what is built on others first."""
    return [resolve(one) for feature in reversed(features()) for one in feature.tenant_resources]


def connection_references() -> list[ReferenceFinder]:
    """Return what refers to connections."""
    return [resolve(one) for feature in features() for one in feature.connection_references]


def datakit_references(session: "Session", name: str, version: str) -> list[str]:
    """Return the ids of what uses a version of a DataKit, such as the deployments that run it."""
    return [
        user
        for feature in features()
        for reference in feature.datakit_references
        for user in resolve(reference)(session, name, version)
    ]


def event_references() -> list[EventReference]:
    """Return what refers to events."""
    return [resolve(one) for feature in features() for one in feature.event_references]


def service_urls() -> Iterator[str]:
    """Return the URLs of services that the platform itself uses."""
    for feature in features():
        if feature.service_urls is not None:
            yield from resolve(feature.service_urls)()


def dag_owners(dag_ids: Collection[str] | None = None) -> "Select":
    """Select the DAGs that the platform makes, and the tenant that each belongs to: NULL for no tenant.

    Args:
        dag_ids: only these DAGs; None for all.
    """
    (only,) = (resolve(feature.dag_owners) for feature in features() if feature.dag_owners is not None)
    selected: Select = only(dag_ids)
    return selected


def dag_files() -> "Select":
    """Select the files whose DAGs the platform alone makes."""
    (only,) = (resolve(feature.dag_files) for feature in features() if feature.dag_files is not None)
    selected: Select = only()
    return selected


def role_scopes(role: TenantRole) -> list[str]:
    """Return the scopes that a role in a tenant has there."""
    return [scope for feature in features() for scope in feature.roles.get(role.value, ())]
