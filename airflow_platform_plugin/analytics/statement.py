"""A query that the guard has let through: what is sent to the database, with its placeholders. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError

from airflow_platform_plugin.analytics.lexer import Kind, Token, refused
from airflow_platform_plugin.analytics.parser import CONFUSED, dialect_of

# Marks a placeholder in the text that sqlglot writes; no text that the lexer accepts has it.
_MARK = "\x00"


@dataclass(frozen=True)
class Placeholder:
    """A value that the caller sends with the query, written ``:name`` in its text."""

    name: str


Parts = tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class Statement:
    """One query that may be sent to the database.

    Attributes:
        parts: the caller's text, with a space for each comment, without a semicolon at the end.
        names: the names of its placeholders.
        tables: the tables that it reads, as ``(schema, name)``, sorted, without common table expressions.
    """

    parts: Parts
    names: frozenset[str]
    tables: tuple[tuple[str, str], ...]
    _tree: exp.Expression | None = field(default=None, repr=False, compare=False)
    _dialect: str | None = field(default=None, repr=False, compare=False)

    def render(self, placeholder: Callable[[str], str], literal: Callable[[str], str] = str) -> str:
        """Return the caller's text as a driver takes it.

        Args:
            placeholder: writes a placeholder, such as ``lambda name: f"%({name})s"``.
            literal: escapes everything else, such as ``lambda text: text.replace("%", "%%")``.
        """
        return _render(self.parts, placeholder, literal)

    def render_regenerated(
        self, placeholder: Callable[[str], str], literal: Callable[[str], str] = str
    ) -> str:
        """Return the text that sqlglot writes, for engines that may run several statements of one text.

        Args:
            placeholder: as for ``render``.
            literal: as for ``render``.

        Raises:
            ValidationFailed: sqlglot cannot write the query.
        """
        return _render(self._regenerated(), placeholder, literal)

    def _regenerated(self) -> Parts:
        if self._tree is None:
            raise refused("cannot be run on this database: write it as SELECT")
        try:
            text = self._tree.sql(dialect=dialect_of(self._dialect), comments=False)
        except (SqlglotError, RecursionError, *CONFUSED) as error:
            raise refused("cannot be written for this database: write it in a simpler way") from error
        pieces = text.split(_MARK)
        return tuple(Placeholder(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def mark_placeholders(sql: str, tree: exp.Expression, tokens: Iterable[Token]) -> None:
    """Mark the placeholders in a query's tree, for ``Statement.render_regenerated``.

    Raises:
        ValidationFailed: a placeholder is where no value can be.
    """
    wanted = {token.start: token.text[1:] for token in tokens if token.kind is Kind.PLACEHOLDER}
    for identifier in list(tree.find_all(exp.Identifier)):
        name = wanted.pop(identifier.meta.get("start"), None)
        if name is None:
            continue
        node = identifier.parent
        if not isinstance(node, exp.Column) or len(node.parts) > 1:
            start = identifier.meta["start"]
            raise refused(f"':{name}' is a value: a name cannot be a parameter", sql, start)
        node.replace(exp.Var(this=f"{_MARK}{name}{_MARK}"))


def parts_of(tokens: Sequence[Token]) -> Parts:
    """Return what is sent of a query's tokens: texts and placeholders in turn."""
    parts: list[str | Placeholder] = []
    texts: list[str] = []
    for token in tokens:
        if token.kind is Kind.END:
            break
        if token.kind is not Kind.PLACEHOLDER:
            texts.append(" " if token.kind is Kind.COMMENT else token.text)
            continue
        if texts and texts[-1][-1] in "-/*#":
            # A driver may write values into the text: a negative one must not begin a comment.
            texts.append(" ")
        parts += ["".join(texts), Placeholder(token.text[1:])]
        texts = []
    return (*parts, "".join(texts))


def _render(parts: Parts, placeholder: Callable[[str], str], literal: Callable[[str], str]) -> str:
    return "".join(
        placeholder(part.name) if isinstance(part, Placeholder) else literal(part) for part in parts
    )
