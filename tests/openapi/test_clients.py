"""Client generators of others make complete clients from the document."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_platform_plugin.openapi import document

TOOLS = Path(__file__).parents[2] / ".clients"
PYTHON = TOOLS / "python" / "bin"
NODE = TOOLS / "node" / "node_modules" / ".bin"

# A program that uses the client.
USE = """
import type { components, operations, paths } from "./schema";

type Json<Sent> = { requestBody: { content: { "application/json": Sent } } };
type Body<Name extends keyof operations> = operations[Name] extends Json<infer Sent> ? Sent : never;
const kit: Body<"register_datakit"> = {
    name: "a", version: "1.0.0", image: "a/b:1", requirements: { cpu: "1" }, tags: ["gold-layer"],
};
const deploy: Body<"deploy_datakit"> = { environment: "production", schedule: null };
const tenant: Body<"create_tenant"> = { tenant_id: "a", resource_limits: { cpu: "4000m" } };
const refused: components["schemas"]["ValidationError"]["error"]["code"] = "VALIDATION_ERROR";
// @ts-expect-error a schedule is text
const wrong: Body<"deploy_datakit"> = { environment: "production", schedule: 5 };
export type Answer = paths["/api/v1/datakits"]["post"]["responses"][201]["content"]["application/json"]["id"];
export default [kit, deploy, tenant, refused, wrong];
"""


@pytest.fixture(scope="module")
def described(app: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The document as a file."""
    file = tmp_path_factory.mktemp("clients") / "openapi.json"
    file.write_text(json.dumps(document.build(app)), encoding="utf-8")
    return file


def run(*command: str | Path, cwd: Path) -> str:
    """Run a tool, which must succeed, and return its output."""
    path = f"{PYTHON}:{os.environ['PATH']}"  # the tools call one another
    environment = {**os.environ, "NO_COLOR": "1", "PATH": path}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.skipif(
    not (PYTHON / "openapi-python-client").exists(), reason="scripts/install-clients has not been run"
)
def test_a_generated_python_client_has_every_operation(app: Any, described: Path) -> None:
    """It lacks no operation, each module can be imported, and errors have two classes."""
    output = run(
        *(PYTHON / "openapi-python-client", "generate", "--path", described),
        *("--meta", "none", "--output-path", "made"),
        cwd=described.parent,
    )
    assert "WARNING" not in output.upper(), output
    made = described.parent / "made"
    operations = {operation.id for operation in document.operations(app)}
    modules = {path.stem: path for path in made.glob("api/*/*.py") if path.stem != "__init__"}
    assert set(modules) == operations
    names = sorted(
        ".".join(path.relative_to(described.parent).with_suffix("").parts) for path in modules.values()
    )
    imports = "\n".join(f"import {name}" for name in names)
    # The classes of a document: it is written and read without loss.
    kit = "made.models.Registration.from_dict(dict(name='a', version='1.0.0', image='a/b:1')).to_dict()"
    run(PYTHON / "python", "-c", f"{imports}\nassert {kit}['name'] == 'a'", cwd=described.parent)
    models = [path.stem for path in (made / "models").glob("*.py")]
    assert len(models) < 300  # 1,684 when each response had its own class of errors


@pytest.mark.skipif(
    not (NODE / "openapi-typescript").exists(),
    reason="scripts/install-clients has found no npm, or was not run",
)
def test_a_generated_typescript_client_is_strict(described: Path) -> None:
    """`tsc --strict` accepts the client and a program that uses it."""
    # Without the option, fields with a default are required.
    options = ("--default-non-nullable=false", "-o", "schema.ts")
    run(NODE / "openapi-typescript", described, *options, cwd=described.parent)
    (described.parent / "use.ts").write_text(USE, encoding="utf-8")
    run(NODE / "tsc", "--strict", "--noEmit", "schema.ts", "use.ts", cwd=described.parent)
