"""Recognize the code of Airflow that we replace, so that another version of it stays as it is."""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def fingerprint(function: Callable[..., Any]) -> str | None:
    """Return a hash of what a function does, without its comments, docstring and formatting.

    Returns:
        The hash, or None if the source is not there.
    """
    try:
        source = textwrap.dedent(inspect.getsource(function))
        definition = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    if not isinstance(definition, ast.FunctionDef):
        return None
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    definition.decorator_list = []
    definition.returns = None
    return hashlib.sha256(ast.unparse(definition).encode()).hexdigest()[:16]


def is_stock(owner: type, name: str, used: type, known: str) -> bool:
    """Return whether a class has the method of Airflow's own class, with code that we know.

    Args:
        owner: Airflow's class, which defines the method.
        name: the method.
        used: the class in use: ``owner``, or an operator's subclass, which may override the method.
        known: the fingerprint of the code that we know.
    """
    stock = vars(owner).get(name)
    if stock is None or inspect.getattr_static(used, name, None) is not stock:
        return False
    return fingerprint(inspect.unwrap(getattr(stock, "__func__", stock))) == known
