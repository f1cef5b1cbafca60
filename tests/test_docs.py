"""Documentation cannot drift from what it documents."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from options import defaults

from airflow_platform_plugin.core import errors, events, settings
from airflow_platform_plugin.core.feature import EventType, resolve
from airflow_platform_plugin.core.rate_limits import RequestClass
from airflow_platform_plugin.openapi import document

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("option", defaults())
def test_every_setting_is_documented_with_its_default(option: str) -> None:
    default = defaults()[option]
    assert f"| `{option}` | `{default}` |" in read("docs/settings.md")


def test_the_docs_describe_settings_as_the_code_does() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `.*?` \| (.+) \|$", read("docs/settings.md"), flags=re.MULTILINE)
    described = {
        name: field.description for group in settings.groups() for name, field in group.model_fields.items()
    }
    assert dict(rows) == described


def test_no_setting_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^\| `(\w+)` \| `", read("docs/settings.md"), flags=re.MULTILINE)
    assert sorted(documented) == sorted(defaults())


def test_every_event_is_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (.+) \|$", read("docs/events.md"), flags=re.MULTILINE)
    assert dict(rows) == {name: each.description for name, each in events.types().items()}


@pytest.mark.parametrize("event_type", events.types().values(), ids=lambda each: each.name)
def test_every_field_of_a_payload_is_documented_and_no_other(event_type: EventType) -> None:
    """In the table below the heading that names the event."""
    sections = re.split(r"^### ", read("docs/events.md"), flags=re.MULTILINE)[1:]
    (section,) = [text for text in sections if f"`{event_type.name}`" in text.splitlines()[0]]
    documented = re.findall(r"^\| `(\w+)` \| ", section, flags=re.MULTILINE)
    assert documented == list(resolve(event_type.payload).model_fields)


def test_the_example_of_a_delivery_has_the_declared_payload() -> None:
    (example,) = re.findall(r"```json\n(.+?)```", read("docs/events.md"), flags=re.DOTALL)
    delivery = json.loads(example)
    payload = resolve(events.types()[delivery["event"]].payload)
    payload.model_validate_json(json.dumps(delivery["data"]), strict=True)


def test_every_error_code_is_documented_and_no_other() -> None:
    documented = re.findall(r"^\| `([A-Z_]+)` \| (\d{3}) \|", read("docs/api.md"), flags=re.MULTILINE)
    assert {int(status): code for code, status in documented} == errors.CODES


def test_every_error_class_has_a_code_of_its_status() -> None:
    def below(cls: type[errors.PlatformError]) -> set[type[errors.PlatformError]]:
        return {cls}.union(*(below(sub) for sub in cls.__subclasses__()))

    for cls in below(errors.PlatformError):
        assert cls.status in errors.CODES
        assert cls is errors.PlatformError or cls.__name__ in (errors.__doc__ or "")


def test_every_link_between_documents_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_operation_of_the_class_bulk_is_documented(app: Any) -> None:
    """A caller meets that limit after ten requests, so it is no surprise."""
    (line,) = [line for line in read("docs/api.md").splitlines() if line.startswith("| `bulk` |")]
    bulk = [one for one in document.operations(app) if one.declared.request_class is RequestClass.BULK]
    assert len(bulk) > 3
    for operation in bulk:
        path = operation.path.removeprefix("/api/v1")
        assert f"`{operation.declared.method} {path}`" in line


def test_every_curl_example_with_a_body_fits_the_openapi_document(app: Any) -> None:
    """A reader can copy the examples of the docs."""
    from openapi_schema_validator import OAS30WriteValidator

    whole = document.build(app)
    pattern = r"""(?:-X (\w+) )?"?(?:\$AIRFLOW|http://localhost:8080)/api/v1([^\s"]+).*?-d '(.*?)'"""
    examples = [
        (page.name, *example.groups())
        for page in ROOT.glob("docs/*.md")
        for command in page.read_text(encoding="utf-8").split("curl ")[1:]
        if (example := re.search(pattern, command, flags=re.DOTALL))
    ]
    assert len(examples) > 5
    for page, method, path, body in examples:
        paths = {name: item for name, item in whole["paths"].items() if _fits(name, "/api/v1" + path)}
        assert paths, f"{page}: {path}"
        (item,) = paths.values()
        schema = item[(method or "POST").lower()]["requestBody"]["content"]["application/json"]["schema"]
        OAS30WriteValidator(schema | {"components": whole["components"]}).validate(json.loads(body))


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path) is not None
