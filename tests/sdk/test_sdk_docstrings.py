"""The docstrings of the SDK's public methods are complete and correct."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any, is_typeddict

import airflow_platform
import pytest
from airflow_platform import AsyncPlatformClient, PlatformClient, Token, TokenStore, exceptions, models, types
from airflow_platform._async.backfills import AsyncBackfill
from airflow_platform._async.dag_runs import AsyncDagRun
from airflow_platform._async.pages import AsyncPage
from airflow_platform._sync.backfills import Backfill
from airflow_platform._sync.dag_runs import DagRun
from airflow_platform._sync.pages import Page
from airflow_platform.models.base import PageFields
from examples import check_call, find_client_calls
from pydantic import BaseModel

SECTION = r"^{}:\n((?:(?: .*)?\n)+)"
CLIENTS = [AsyncPlatformClient(api_key="key"), PlatformClient(api_key="key")]
CLASSES: list[type] = [
    *(type(client) for client in CLIENTS),
    *(type(part) for client in CLIENTS for name, part in vars(client).items() if not name.startswith("_")),
    *(AsyncBackfill, AsyncDagRun, AsyncPage, Backfill, DagRun, Page, Token, TokenStore),
]


def public_methods() -> Iterator[Any]:
    """Yield each public method of the SDK as a parameter of a test."""
    for kind in CLASSES:
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            is_own = method.__module__.startswith("airflow_platform.")
            if is_own and not name.startswith(("_", "model_")):
                yield pytest.param(method, id=f"{kind.__name__}.{name}")


METHODS = list(public_methods())


def section(documented: Any, title: str) -> str:
    """Return the dedented text of a section of a docstring, or an empty text."""
    found = re.search(SECTION.format(title), f"{inspect.getdoc(documented)}\n", re.MULTILINE)
    return dedent(found[1]) if found else ""


def entries(documented: Any, title: str) -> dict[str, str]:
    """Return the entries of a section, each a name with its description."""
    return dict(re.findall(r"^(\w+): (\S.*(?:\n .*)*)", section(documented, title), re.MULTILINE))


def parameters(callable_: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that a caller gives."""
    return [name for name in inspect.signature(callable_).parameters if name != "self"]


def test_the_walk_finds_all_resources() -> None:
    """The tests below see the methods of every resource of both clients."""
    found = {parameter.id for parameter in METHODS}
    expected = {
        "AsyncDags.list",
        "DataKits.deploy",
        "Connections.import_",
        "AsyncDagRun.wait",
        "Dags.get_run",
    }
    assert expected <= found
    assert len(found) > 160


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_is_described(method: Callable[..., Any]) -> None:
    """``Args:`` has exactly the parameters of the signature, in their order, each with a sentence."""
    described = entries(method, "Args")
    assert list(described) == parameters(method)
    assert all(text.rstrip().endswith(".") for text in described.values())


@pytest.mark.parametrize("client", [AsyncPlatformClient, PlatformClient])
def test_every_argument_and_attribute_of_the_client_is_described(client: type) -> None:
    """The client's own docstring names its arguments and its resources."""
    assert list(entries(client, "Args")) == parameters(client)
    resources = [name for name in vars(client(api_key="key")) if not name.startswith("_")]
    assert list(entries(client, "Attributes")) == resources


@pytest.mark.parametrize("method", METHODS)
def test_the_summary_is_one_sentence(method: Callable[..., Any]) -> None:
    """A docstring begins with one line that ends with a period."""
    summary, _, rest = (inspect.getdoc(method) or "").partition("\n")
    assert re.match(r"[A-Z]\w+ ", summary)
    assert summary.endswith(".")
    assert not rest or rest.startswith("\n")


@pytest.mark.parametrize("method", METHODS)
def test_errors_are_the_sdks_own(method: Callable[..., Any]) -> None:
    """``Raises:`` and ``Warns:`` name classes of ``airflow_platform.exceptions``."""
    for name in entries(method, "Raises"):
        assert issubclass(getattr(exceptions, name), exceptions.PlatformError)
    for name in entries(method, "Warns"):
        assert issubclass(getattr(exceptions, name), Warning)


EXAMPLES = [parameter for parameter in METHODS if section(parameter.values[0], "Example")]


@pytest.mark.parametrize("method", EXAMPLES)
def test_examples_call_methods_that_exist(method: Callable[..., Any]) -> None:
    """Each call of the client in an example is one that its signature accepts, awaited as it must be."""
    is_async = "._async." in method.__module__
    code = ast.parse(f"async def example():\n{_indent(section(method, 'Example'))}")
    calls = find_client_calls(code)
    assert any(ast.unparse(call.func).endswith(f".{method.__name__}") for call in calls)
    for call in calls:
        check_call(CLIENTS[0] if is_async else CLIENTS[1], call)
    awaited = [node for node in ast.walk(code) if isinstance(node, ast.Await | ast.AsyncFor)]
    assert bool(awaited) is is_async


def test_examples_exist_for_the_main_methods() -> None:
    """The methods of the API reference have examples, in both clients."""
    found = {parameter.id for parameter in EXAMPLES}
    for name in ("Dags.trigger", "Tasks.clear", "Connections.create", "DataKits.deploy", "Analytics.query"):
        assert {name, f"Async{name}"} <= found


@pytest.mark.parametrize("name", airflow_platform.__all__)
def test_every_exported_class_has_a_docstring(name: str) -> None:
    """What ``from airflow_platform import …`` gives is documented."""
    exported = getattr(airflow_platform, name)
    assert not inspect.isclass(exported) or inspect.getdoc(exported)


def described_fields(model: type[BaseModel]) -> set[str]:
    """Return the fields that the docstrings of a model and its base classes describe."""
    return {name for kind in model.__mro__ for name in entries(kind, "Attributes")}


def typed_dicts() -> list[Any]:
    """Return the TypedDicts of ``airflow_platform.types``."""
    return [kind for kind in vars(types).values() if is_typeddict(kind) and not kind.__name__.startswith("_")]


def every_model() -> list[type[BaseModel]]:
    """Return the models that the platform's responses become, and Token."""

    def below(kind: type[BaseModel]) -> set[type[BaseModel]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    pages = below(PageFields)
    return sorted((below(models.Model) | {Token}) - pages, key=lambda kind: (kind.__name__, kind.__module__))


@pytest.mark.parametrize("model", every_model(), ids=lambda kind: kind.__name__)
def test_every_field_of_a_model_is_described(model: type[BaseModel]) -> None:
    """``Attributes:`` has each field of the model."""
    assert set(model.model_fields) <= described_fields(model)


@pytest.mark.parametrize("kind", typed_dicts(), ids=lambda kind: kind.__name__)
def test_every_key_of_a_typed_dictionary_is_described(kind: Any) -> None:
    """``Attributes:`` has exactly the keys of the dictionary."""
    assert set(entries(kind, "Attributes")) == set(kind.__annotations__)


def _indent(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
