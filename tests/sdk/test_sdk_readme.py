"""The examples of the SDK's README are correct."""

import ast
import re
from pathlib import Path

import pytest
from airflow_platform import PlatformClient
from examples import check_call, find_client_calls

README = Path(__file__).parents[2] / "sdk" / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_examples_call_methods_that_exist(block: str) -> None:
    """Each example is Python, and each call of the client is one that its signature accepts."""
    calls = find_client_calls(ast.parse(block))
    with PlatformClient(api_key="key") as client:
        for call in calls:
            check_call(client, call)
    assert calls or "PlatformClient(" in block


def test_every_resource_is_in_the_readme() -> None:
    """The README shows at least one call of each resource."""
    text = README.read_text(encoding="utf-8")
    with PlatformClient(api_key="key") as client:
        resources = {name for name in vars(client) if not name.startswith("_")}
    assert {name for name in resources if f"client.{name}." not in text} == set()
