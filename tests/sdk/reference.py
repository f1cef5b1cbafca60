"""The examples and commands of the API reference, verbatim."""

import asyncio
import re
import shlex
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace
from typing import Any

from airflow_platform import AsyncPlatformClient, PlatformClient

TEXT = Path(__file__).with_name("reference.md").read_text(encoding="utf-8")


def example(heading: str, until: str | None = None) -> str:
    """Return the Python code under a heading, up to a line."""
    found = re.search(rf"### \*\*{heading}\*\*\n+```python\n(.*?)```", TEXT, re.DOTALL)
    assert found, heading
    return found[1].partition(until)[0] if until else found[1]


def commands() -> list[list[str]]:
    """Return all commands, split as a shell splits them."""
    lines = re.sub(r"\\\n", " ", TEXT).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("airflow-cli ")]


def run(code: str, url: str, key: str, sleep: Callable[[float], object] = bool) -> dict[str, Any]:
    """Run an example unchanged and return its variables."""
    with PlatformClient(url, key) as client:
        names = {"client": client, "datetime": datetime, "time": SimpleNamespace(sleep=sleep)}
        exec(code, names)  # noqa: S102 - code of the API reference
    return names


def run_async(code: str, url: str, key: str, sleep: Callable[[float], object] = bool) -> dict[str, Any]:
    """Run an example with the asynchronous client, with ``await`` added to its requests."""

    async def async_sleep(seconds: float) -> None:
        sleep(seconds)

    code = re.sub(r"\b(client\.\w+\.\w+|run\.refresh|time\.sleep)\(", r"await \1(", code)
    code = re.sub(r"^for (?=\w+ in (dags|task_instances):)", "async for ", code, flags=re.MULTILINE)
    names: dict[str, Any] = {"datetime": datetime, "time": SimpleNamespace(sleep=async_sleep)}
    exec(f"async def example():\n{indent(code, '    ')}\n    return locals()", names)  # noqa: S102 - the same

    async def session() -> dict[str, Any]:
        async with AsyncPlatformClient(url, key) as client:
            names["client"] = client
            variables: dict[str, Any] = await names["example"]()
            return variables

    return asyncio.run(session())
