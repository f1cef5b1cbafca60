"""Who may import whom (docs/architecture.md), read from the sources."""

import ast
from pathlib import Path

import airflow_platform_plugin

ROOT = Path(airflow_platform_plugin.__file__).parent
FEATURES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"migrations", "quickstart", "demo"}

# What each feature may import beside the kernel; features not named here import the kernel alone.
ALLOWED = {
    "tenants": {"auth"},
    "datakits": {"tenants", "connections"},
    "connections": {"tenants"},
    "analytics": {"tenants", "connections"},
    "webhooks": {"tenants"},
    "ratelimit": {"auth"},
}
# They see everything, and nobody imports them. A plugin's blueprint and models' list lead there lazily.
TOP = {"web", "worker", "doctor", "__main__", "models", "plugin", "quickstart", "features"}
LAZY = {
    ("plugin", "web"),
    ("__main__", "worker"),
    ("__main__", "doctor"),
    ("__main__", "quickstart"),
    ("migrations", "models"),
    ("tenants", "features"),
    ("connections", "features"),
    ("__main__", "models"),
    ("doctor", "models"),
    ("doctor", "worker"),
}
# Hooks of Airflow's, which lead to one feature each, in the function that is called.
HOOKS = {("listener", "runs")}


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


def test_the_kernel_imports_no_feature() -> None:
    kernel = {path.stem for path in ROOT.glob("*.py")} - TOP
    assert {(a, b) for a, b in imports() if a in kernel and b in FEATURES} - HOOKS == set()


def test_features_import_only_what_is_below_them() -> None:
    wrong = {(a, b) for a, b in imports() if a in FEATURES and b in FEATURES - ALLOWED.get(a, set())}
    assert wrong == set()


def test_nobody_imports_what_sees_everything() -> None:
    assert {(a, b) for a, b in imports() if b in TOP} - LAZY == set()


def test_every_feature_has_the_same_file_names() -> None:
    """A newcomer finds a feature's parts under the names that the others use."""
    known = {"__init__", "models", "schemas", "service", "api", "views"}
    for feature in FEATURES:
        names = {path.stem for path in (ROOT / feature).glob("*.py")}
        assert names & known > {"__init__"} or feature == "runs", feature


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
