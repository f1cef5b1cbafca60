"""Every regular expression of the product, found in its sources, and texts that would make it slow.

A pattern is found where it is compiled, or where a function of ``re`` is given one. It is tried with texts
that are made from its own letters: a start, a part that comes again and again, and an end that does not fit.
That is how patterns become slow: each of many beginnings is tried up to the end.
"""

import ast
import contextlib
import gc
import heapq
import importlib
import itertools
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import airflow_platform
import airflow_platform_cli
from marshmallow import ValidationError
from marshmallow.validate import Regexp

import airflow_platform_plugin
from airflow_platform_plugin.analytics import guard
from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.auth.oauth import redirects
from airflow_platform_plugin.connections import masking, references
from airflow_platform_plugin.connections.inputs import ConnectionFields
from airflow_platform_plugin.connections.tenant_rules import host_fields
from airflow_platform_plugin.connections.testing import results
from airflow_platform_plugin.connections.transfer import formats
from airflow_platform_plugin.core import kubernetes_quantities, rate_limits
from airflow_platform_plugin.core.errors import PlatformError
from airflow_platform_plugin.datakits import manifest
from airflow_platform_plugin.deployments import schedules
from airflow_platform_plugin.http import ijson

ROOTS = {
    package.__name__: Path(str(package.__file__)).parent
    for package in (airflow_platform_plugin, airflow_platform, airflow_platform_cli)
}
METHODS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
# Characters of the part that comes again; of exponential patterns few are enough, and more would never end.
_STAGES = (16, 22, 28, 40, 64, 100, 160, 240, 1000)
_SUSPICIOUS = 0.005  # seconds at such a length, where a linear pattern needs a hundredth
_LONG = 5_000  # characters
_NOTHING = 0.02  # seconds for four times as many; below that, the growth is not measured
_HOPELESS = 0.1  # seconds for the long text itself
_MOST_GROWTH = 10  # four times as many take four times as long, or sixteen times where the time is quadratic
_ENDS = ("!", "\n")
_ALWAYS = "a1 .-_/:@,=\n"
_MOST_LETTERS, _MOST_WORDS, _MOST_STARTS = 18, 60, 3
_CANDIDATES = 3
_SECOND_THOUGHTS = 2  # of what seems slow: the processor's caches and other programs make a difference

Run = Callable[[str], object]
Attack = Callable[[int], str]


class Pattern(NamedTuple):
    """A use of a regular expression: its place, and how it is applied to a text."""

    where: str
    source: str
    run: Run


class Unclear(NamedTuple):
    """A use with a pattern that is built at run time; the table of parsers has a way to call it."""

    where: str


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Return every module of the product, without the generated half of the SDK and without migrations."""
    for package, root in ROOTS.items():
        for path in sorted(root.rglob("*.py")):
            inner = path.relative_to(root).with_suffix("").parts
            if "_sync" in inner or "versions" in inner:
                continue
            name = ".".join([package, *(part for part in inner if part != "__init__")])
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def found() -> Iterator[Pattern | Unclear]:
    """Return every use of a regular expression."""
    for name, tree in sources():
        for node, owner in _calls(tree, ()):
            kind = _kind(node)
            if kind is None or not node.args:
                continue
            where, module = f"{name}:{'.'.join(owner)}", importlib.import_module(name)
            compiled = list(_patterns(node, owner, module))
            if not compiled:
                yield Unclear(where)
            for number, pattern in enumerate(compiled):
                for method in _methods(kind, owner, tree):
                    nth = f" {number}" if len(compiled) > 1 else ""
                    source = pattern.pattern
                    text = source.decode() if isinstance(source, bytes) else source
                    yield Pattern(f"{where}{nth} {method}", text, _run(pattern, method))


def _calls(node: ast.AST, owner: tuple[str, ...]) -> Iterator[tuple[ast.Call, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        below = owner
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            below = (*owner, child.name)
        elif isinstance(child, (ast.Assign, ast.AnnAssign)) and not owner:
            target = child.targets[0] if isinstance(child, ast.Assign) else child.target
            below = (ast.unparse(target),)
        if isinstance(child, ast.Call):
            yield child, below
        yield from _calls(child, below)


def _kind(node: ast.Call) -> str | None:
    """``compile``, ``Regexp`` or the function of ``re`` that is called, if one is."""
    match node.func:
        case ast.Attribute(value=ast.Name(id="re"), attr=attr) if attr in METHODS | {"compile"}:
            return attr
        case ast.Attribute(attr="Regexp") | ast.Name(id="Regexp"):
            return "Regexp"
    return None


def _patterns(node: ast.Call, owner: tuple[str, ...], module: Any) -> Iterator[re.Pattern[Any]]:
    """Return the compiled patterns, as far as the module shows them."""
    named = vars(module).get(owner[0]) if len(owner) == 1 else None
    for value in named.values() if isinstance(named, dict) else [named]:
        if isinstance(value, (re.Pattern, Regexp)):
            yield value.regex if isinstance(value, Regexp) else value
    if named is None or (callable(named) and not isinstance(named, Regexp)):
        others = [*node.args[1:], *(word.value for word in node.keywords)]
        flags = [each for each in others if "re." in ast.unparse(each)]
        with contextlib.suppress(NameError, AttributeError):  # of a local variable
            source = _evaluate(node.args[0], module)
            yield re.compile(source, sum(_evaluate(each, module) for each in flags))


def _evaluate(expression: ast.expr, module: Any) -> Any:
    return eval(compile(ast.Expression(expression), "pattern", "eval"), vars(module))  # noqa: S307 - our own source


def _methods(kind: str, owner: tuple[str, ...], tree: ast.Module) -> set[str]:
    """What is done with the pattern: of a compiled one, what is called on its name."""
    if kind in METHODS:
        return {kind}
    if kind == "Regexp":
        return {"match"}
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in METHODS
        and owner
        and isinstance(node.value, ast.Name)
        and node.value.id == owner[0]
    }
    return used or {"search"}


def _run(compiled: re.Pattern[Any], method: str) -> Run:
    function: Any = getattr(compiled, method)
    if isinstance(compiled.pattern, bytes):
        return lambda text: function(text.encode())
    if method in ("sub", "subn"):
        return lambda text: function("", text)
    if method == "finditer":
        return lambda text: list(function(text))
    run: Run = function
    return run


def attacks(source: str) -> Iterator[Attack]:
    """Yield texts that may make a pattern slow; each repeats a part so many times."""
    plain = re.sub(r"\\[a-zA-Z]|[\\^$*+?(){}|\[\]]", "", source)
    letters = [*dict.fromkeys(plain)][: _MOST_LETTERS - len(_ALWAYS)]
    letters = list(dict.fromkeys([*letters, *_ALWAYS]))
    words = list(dict.fromkeys(re.findall(r"[A-Za-z:/_.]{2,12}", source)))[:_MOST_WORDS]
    pumps = [
        *letters,
        *words,
        *(f"{word} " for word in words),
        *("".join(pair) for pair in itertools.permutations(letters, 2)),
    ]
    starts = ["", *words[:_MOST_STARTS], letters[0]]
    for start, pump in itertools.product(starts, pumps):
        for end in _ENDS:
            yield partial(_text, start, pump, end)


def _text(start: str, pump: str, end: str, times: int) -> str:
    return start + pump * times + end


def worst(run: Run, tried: Iterable[Attack]) -> tuple[Attack, float, float]:
    """Of the attacks the one that grows worst, and the seconds for a long text and one four times as long.

    The second time is infinite where the first shows enough.
    """
    spent = []
    for attack in tried:
        seconds = 0.0
        for text in (attack(length // _step(attack)) for length in _STAGES):
            seconds = _once(run, text)
            if seconds > _SUSPICIOUS and (seconds := _least(run, text)) > _SUSPICIOUS:
                return attack, seconds, math.inf
        spent.append((seconds, attack))
    slowest = heapq.nlargest(_CANDIDATES, spent, key=lambda pair: pair[0])
    grown = []
    for _, attack in slowest:
        grown.append((attack, *growth(run, attack)))
        if not is_linear(*grown[-1][1:]):
            break
    return max(grown, key=lambda found: found[2] / found[1])


def growth(run: Run, attack: Attack, length: int = _LONG, hopeless: float = _HOPELESS) -> tuple[float, float]:
    """The seconds for a text of that length, and for one four times as long.

    The latter is infinite where the first is enough to see.
    """
    short, long = (attack(factor * length // _step(attack)) for factor in (1, 4))
    once = _least(run, short)
    if once > hopeless:
        return once, math.inf
    four_times = _least(run, long)
    for _ in range(_SECOND_THOUGHTS):
        if is_linear(once, four_times):
            break
        once, four_times = max(once, _least(run, short)), min(four_times, _least(run, long))
    return once, four_times


def _step(attack: Attack) -> int:
    return len(attack(2)) - len(attack(1))


def is_linear(once: float, four_times: float) -> bool:
    """Return whether the time grows linearly with the text."""
    return four_times < _NOTHING or four_times / once < _MOST_GROWTH


def _once(run: Run, text: str) -> float:
    gc.disable()  # it looks at all that the tests hold
    started = time.process_time()
    try:
        run(text)
        return time.process_time() - started
    finally:
        gc.enable()


def _least(run: Run, text: str) -> float:
    """Of three times, for other things happen meanwhile; never nothing."""
    first = _once(run, text)
    return max(1e-9, first if first > _HOPELESS else min(first, _once(run, text), _once(run, text)))


def _quiet(run: Run) -> Run:
    """Ignore that a parser refuses a text, since only its time matters; do not ignore a wrong call."""

    def wrapped(text: str) -> None:
        with contextlib.suppress(ValueError, LookupError, RecursionError, PlatformError, ValidationError):
            run(text)

    return wrapped


def _pumps(*parts: str, start: str = "", end: str = "!") -> list[Attack]:
    return [partial(_text, start, part, end) for part in parts]


def _manifest(name: str) -> Run:
    return _quiet(lambda text: manifest.Registration.model_validate({name: text}))


# What reads strangers' text by hand, and the texts that it may find hard.
PARSERS: dict[str, tuple[Run, list[Attack]]] = {
    "ijson.parse": (
        _quiet(lambda text: ijson.parse(text.encode())),
        [*_pumps("[", '{"a":', "1", "1e1", "\\u0041", " "), *_pumps("a", "\\n", start='"', end='"')],
    ),
    "kubernetes_quantities.parse": (
        _quiet(kubernetes_quantities.parse),
        _pumps("1", "1.", ".1", "e1", "9", "0", end=""),
    ),
    "rate_limits.parse": (_quiet(rate_limits.parse), _pumps("1/minute;", "1 per 2 ", " ", "1", "a")),
    "schedules.require_valid": (
        _quiet(schedules.require_valid),
        _pumps("1,", "0-59/1,", "*/", "1 ", " ", "mon,", end=" * * * *"),
    ),
    "manifest version": (_manifest("version"), _pumps("1", ".1", "-", ".a", start="1.0.0-")),
    "manifest image": (_manifest("image"), _pumps("a", "a.", "a/", "-", "_", "__", "a-", ":1", "@a")),
    "manifest cpu": (
        _quiet(lambda text: manifest.Registration.model_validate({"requirements": {"cpu": text}})),
        _pumps("1", "1."),
    ),
    "redirects.problem": (
        _quiet(lambda text: redirects.problem(text, public=True)),
        _pumps("a", "/", ":", "@", "[", "%", start="http://127.0.0.1"),
    ),
    "redirects.match": (
        _quiet(lambda text: redirects.match([text], text)),
        _pumps("1", ":1", "/", "?", start="http://127.0.0.1:1"),
    ),
    "keys.parse": (_quiet(key_format.parse), _pumps("a", "_", "a_", start="afp_")),
    "host_fields.find_hosts_in_all_fields": (
        _quiet(
            lambda text: host_fields.find_hosts_in_all_fields(
                ConnectionFields(connection_type="x", host=text)
            )
        ),
        _pumps("a", "a.", ",", ":", "[", "//", "@", " ", "-"),
    ),
    "references._refers": (
        _quiet(lambda text: references._refers(text, "warehouse")),
        _pumps("conn.", "conn.get(", " ", "conn.warehouse_", start="conn.get("),
    ),
    "results.classify": (_quiet(results.classify), _pumps("role ", "database ", "unknown ", "a", " ")),
    **{
        f"guard.read {dialect}": (
            _quiet(lambda text, dialect=dialect: guard.read(text, dialect)),  # type: ignore[misc]  # bound now
            [
                *_pumps("(", "a,", "a.", "1", "1e", "a ", "-", " ", "\n", ":a ", start="SELECT "),
                *_pumps("'", '"', "`", "$", "''", "\\'", "$a$", "/*", "*/", "--", "[", "{", start="SELECT '"),
                *_pumps(" UNION SELECT 1", " AND a", " JOIN b", " OR (a", " CASE WHEN a", start="SELECT 1"),
            ],
        )
        for dialect in ("postgres", "mysql", "sqlite", "duckdb")
    },
    "formats.parse yaml": (
        _quiet(lambda text: formats.parse(text, "yaml")),
        _pumps("[", "{", "- ", "a: ", "&a ", "*a ", "!a ", "'", "a:\n ", "? "),
    ),
    "masking.mask_extra": (
        _quiet(lambda text: masking.mask_extra({"note": text})),
        _pumps("://", "a://", "@", "a://b:c@", "a", "a://[::1],", ":", " "),
    ),
    "formats.parse json": (_quiet(lambda text: formats.parse(text, "json")), _pumps("[", '{"a":', "1")),
    "formats.parse env": (_quiet(lambda text: formats.parse(text, "env")), _pumps("a=b\n", "=", "a", "#\n")),
}
# Where a pattern is made while the program runs, the parser that has it.
MADE = {
    "airflow_platform_plugin.analytics.effect_rules:is_denied_table": "guard.read duckdb",
    "airflow_platform_plugin.analytics.syntax:token_pattern": "guard.read postgres",
    "airflow_platform_plugin.analytics.lexer:_explain": "guard.read mysql",
    "airflow_platform_plugin.connections.references:_refers": "references._refers",
}
