"""Which package may import which (docs/architecture.md), read from the sources."""

import ast
import dataclasses
import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from options import defaults

import airflow_platform_plugin
from airflow_platform_plugin import features, worker
from airflow_platform_plugin.core import db, new_events, scopes, settings
from airflow_platform_plugin.core.feature import (
    Feature,
    Lane,
    WorkerStep,
    load_models,
    resolve,
    tenant_resources,
)
from airflow_platform_plugin.core.naming import TenantRole

ROOT = Path(airflow_platform_plugin.__file__).parent
ENTRY_POINTS = {path.stem for path in ROOT.glob("*.py")} - {"__init__"}
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")}
# What every feature may import. A package of this list may import those before it.
LOWER = ["airflow_compat", "core", "http"]
FEATURES = {feature.name.split(".")[0] for feature in features.FEATURES}
# Which features each feature may import.
ALLOWED = {
    "ratelimit": {"auth"},
    "tenants": {"auth"},
    "connections": {"tenants"},
    "datakits": {"tenants"},
    "deployments": {"datakits", "tenants", "connections"},
    "analytics": {"tenants", "connections"},
    "webhooks": {"tenants"},
}
# Entry points and what they start. Nobody imports them but lazily, in the function that needs them.
LAZY = {
    ("plugin", "web"),
    ("plugin", "listener"),
    ("listener", "supervisor"),
    ("__main__", "worker"),
    ("__main__", "doctor"),
    ("__main__", "quickstart"),
    ("core", "features"),  # core/feature.py reads the list of features
    ("doctor", "worker"),
    ("worker", "supervisor"),
}
# Hooks of Airflow, each a line that leads to a feature.
HOOKS = {("listener", "runs")}
# The modules that a feature's references may lead to, by the field of ``Feature`` that has them.
MODULES = {
    "blueprints": {"api", "views"},
    "pages": {"views"},
    "settings": {"settings"},
    "service_urls": {"settings"},
    "tenant_resources": {"tenant_resources"},
    "datakit_references": {"datakit_references"},
    "commands": {"commands"},
}


def part(path: Path) -> str:
    """The feature, or the kernel's or top's module, that a file belongs to."""
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports() -> set[tuple[str, str]]:
    """Pairs of parts: the first imports the second."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                steps = name.split(".")
                if steps[0] == "airflow_platform_plugin" and len(steps) > 1 and part(path) != steps[1]:
                    found.add((part(path), steps[1]))
    return found


def test_every_package_is_a_feature_or_named_here() -> None:
    assert FEATURES | {*LOWER, "migrations", "quickstart", "demo"} == PACKAGES


@pytest.mark.parametrize("package", LOWER)
def test_what_features_are_built_on_imports_no_feature(package: str) -> None:
    """These packages do not import later ones either; only one place reads the list of features."""
    above = (PACKAGES | ENTRY_POINTS) - set(LOWER[: LOWER.index(package)])
    assert {(a, b) for a, b in imports() if a == package and b in above} - LAZY == set()


def test_features_import_only_what_is_below_them() -> None:
    wrong = {(a, b) for a, b in imports() if a in FEATURES and b in FEATURES - ALLOWED.get(a, set())}
    assert wrong == set()


def test_nobody_imports_an_entry_point() -> None:
    assert {(a, b) for a, b in imports() if b in ENTRY_POINTS} - LAZY == set()


def test_entry_points_import_no_feature() -> None:
    """They read the list of features, so a new feature changes none of them."""
    assert {(a, b) for a, b in imports() if a in ENTRY_POINTS - {"features"} and b in FEATURES} == HOOKS


@pytest.mark.parametrize("feature", features.FEATURES, ids=lambda feature: feature.name)
def test_what_a_feature_declares_exists(feature: Feature) -> None:
    """In modules whose names are the same in every feature."""
    package = f"airflow_platform_plugin.{feature.name}"
    declared = importlib.import_module(f"{package}.feature").FEATURE
    assert declared is feature
    for module in feature.models:
        assert module == f"{feature.name}.models"
        resolve(module)
    for name, references in _references(feature).items():
        for reference in references:
            resolve(reference)
            assert reference.startswith(f"{feature.name}.")
            module = reference.partition(":")[0].rpartition(".")[2]
            assert module in MODULES.get(name, {module}), reference


def _references(feature: Feature) -> dict[str, list[str]]:
    """Every reference of a feature, by field."""
    found: dict[str, list[str]] = {}
    for each in dataclasses.fields(feature):
        value = getattr(feature, each.name)
        values = (
            value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else [value]
        )
        found[each.name] = [one for one in values if isinstance(one, str) and ":" in one]
    found["payload"] = [event.payload for event in feature.events]
    found["steps"] = [ref for step in feature.worker_steps for ref in (step.run, step.loop) if ref]
    del found["roles"]
    return found


def test_scopes_and_names_are_declared_once() -> None:
    """Two features cannot claim the same scope, event, step, consumer, setting or check."""
    types = [event.name for feature in features.FEATURES for event in feature.events]
    steps = [step.name for step in worker.steps()]
    options = [name for group in settings.groups() for name in group.model_fields]
    consumers = [name for feature in features.FEATURES for name in feature.consumers]
    checks = [name for feature in features.FEATURES for name in feature.checks]
    for names in (scopes.known(), types, steps, options, consumers, checks):
        assert len(set(names)) == len(list(names))
    assert len(defaults()) == len(options)


def test_every_table_is_in_a_declared_module() -> None:
    """Otherwise the next migration that ``scripts/new-migration`` writes would drop the table."""
    declared = {
        f"airflow_platform_plugin.{module}" for feature in features.FEATURES for module in feature.models
    }
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bases = {
            ast.unparse(base) for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases
        }
        module = ".".join(["airflow_platform_plugin", *path.relative_to(ROOT).with_suffix("").parts])
        if "db.Base" in bases and part(path) not in LOWER:
            assert module in declared, module


# Rows that go with what they belong to, and history that stays.
NOT_OWNED = {"platform_tenant", "platform_tenant_admin_name", "platform_datakit_name", "platform_event"}


def test_what_tenants_own_goes_with_them() -> None:
    """Every table with a tenant's id belongs to a feature that declares a ``TenantResource``."""
    load_models()
    modules = {
        mapper.local_table.name: mapper.class_.__module__.removeprefix("airflow_platform_plugin.")
        for mapper in db.Base.registry.mappers
    }
    owners = {feature.name for feature in features.FEATURES if feature.tenant_resources}
    for table in db.metadata.tables.values():
        if "tenant_id" in table.c and table.name not in NOT_OWNED:
            assert modules[table.name].rpartition(".")[0] in owners, table.name


def test_deployments_end_before_what_they_use() -> None:
    """A tenant's deletion goes through what it owns in this order."""
    names = [resource.name for resource in tenant_resources()]
    assert names == ["deployments", "datakits", "webhooks", "connections", "api_keys"]


def test_roles_have_scopes_that_exist() -> None:
    for feature in features.FEATURES:
        assert set(feature.roles) <= {role.value for role in TenantRole}
        assert {scope for held in feature.roles.values() for scope in held} <= set(scopes.known())
        # An admin may do what a member may.
        assert set(feature.roles.get("member", ())) <= set(feature.roles.get("admin", ()))


def test_listeners_write_events_for_every_feature_that_wants_them() -> None:
    """core/new_events.py repeats what features declare, since every task imports it."""
    declared = [table for feature in features.FEATURES for table in feature.event_subscribers]
    assert sorted(new_events.SUBSCRIBERS) == sorted(declared)
    for feature in features.FEATURES:
        assert bool(feature.consumers) == bool(feature.event_subscribers), feature.name


def test_a_step_that_loops_is_alone_in_its_lane() -> None:
    """Another step in the lane would never run, so the worker refuses to start."""
    loop = WorkerStep("loop", lane=Lane.DELIVERIES, run="core.events:expire", loop="core.events:expire")
    other = WorkerStep("other", lane=Lane.DELIVERIES, run="core.events:expire")
    with pytest.raises(ValueError, match="The step loop loops"):
        worker.lanes([loop, other])


def test_airflow_compat_imports_nothing_of_ours() -> None:
    """It can be read, and replaced for another version of Airflow, without the rest of the package."""
    assert {(a, b) for a, b in imports() if a == "airflow_compat"} == set()


def test_only_airflow_compat_imports_airflow() -> None:
    """The exceptions are few: what Airflow loads itself, and subclasses of providers' operators."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if {name.split(".")[0] for name in names} & {"airflow", "flask_appbuilder"}:
                found.add(str(path.relative_to(ROOT)))
    runners = {f"deployments/execution/runners/{name}.py" for name in ("docker", "kubernetes")}
    assert {file for file in found if not file.startswith("airflow_compat/")} == {
        "plugin.py",
        "listener.py",
        *runners,
    }


def test_nothing_uses_the_session_of_the_thread() -> None:
    """Code that commits Airflow's thread-scoped session commits the work of all others in the thread."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            of_settings = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
            assert not (of_settings and ast.unparse(node) == "settings.Session"), path
            imported = isinstance(node, ast.ImportFrom) and node.module == "airflow.settings"
            assert not (imported and "Session" in {alias.name for alias in node.names}), path
