"""Checks that code in documentation calls the client as its signatures allow."""

import ast
import inspect
from typing import Any


def find_client_calls(code: ast.AST) -> list[ast.Call]:
    """Return the calls of the client's methods, such as ``client.dags.get("a")``."""
    calls = [node for node in ast.walk(code) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).startswith("client.")]


def check_call(client: Any, call: ast.Call) -> None:
    """Fail unless the method of a call exists and accepts its arguments."""
    _, resource, name = ast.unparse(call.func).split(".")
    method = getattr(getattr(client, resource), name)
    keywords = {str(keyword.arg): None for keyword in call.keywords}
    inspect.signature(method).bind(*call.args, **keywords)
