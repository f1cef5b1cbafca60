"""What a query may call and read: functions and tables without effects beyond the data. Pure.

Decided by the lexer's tokens, not by a parser's tree: whatever an engine calls with brackets has its name
before the bracket. ``scripts/function-lists`` makes the files of ``functions/`` from the engines.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

from airflow_platform_plugin.analytics.lexer import Kind, Token, refused
from airflow_platform_plugin.core.errors import ValidationFailed

_POSTGRES = frozenset({"postgres", "redshift", "materialize", "risingwave"})

# The dialects with a list of functions in functions/. Words that stand before a bracket and call nothing are
# in its keywords.txt and <dialect>.keywords.txt, ClickHouse's types among them.
_LISTED = frozenset({"clickhouse", "duckdb", "mysql", "postgres", "sqlite"})

# sum -> sumIf, sumOrNullState: the functions that ClickHouse makes of its aggregate functions.
_COMBINATOR = re.compile(
    r"(?:argmax|argmin|array|distinct|foreach|if|map|merge|mergestate|null|ordefault|ornull|resample|simplestate|state"
    r"|tuple)$"
)

# For engines without a list: what reads files, other servers or settings, runs, waits, locks or logs.
_DENIED = re.compile(
    r"(?:pg|lo|dblink|xp|sp|utl|dbms|sys|http|fn|ai|java|python|plpy|plperl|postgres|read|write|load|sniff|duckdb)_"
    r"|.*(?:_scan|_lock|_wait|_to_xml|sleep|_exec|_execute)$|dict(?:get|has|isin)|open(?:rowset|query|datasource|xml)"
    r"|(?:iceberg|deltalake|hudi|hdfs|azureblob|cluster(?:all|$)|s3(?:cluster)?$|gcs$)"
    r"|(?:ai|benchmark|dblink|edit|exec|executable|execute|external_query|extractvalue|file|files|fts3_tokenizer|getenv"
    r"|glob|httpuritype|infer_schema|java_method|jdbc|kill|last_insert_id|loread|lowrite|merge|mongodb|mysql|nextval"
    r"|currval|lastval|setval|setseed|odbc|postgresql|query|query_table|raw_query|randomblob|reflect|remote"
    r"|remotesecure|result_scan|set_config|current_setting|sqlite|system|try_reflect|ts_rewrite|ts_stat|txid_current"
    r"|updatexml|url|validate|view|wait|waitfor|which_secret|zeroblob)$"
)

# The same of PostgreSQL's extensions.
_EXTENSIONS = re.compile(r"dblink|http_|pg_file_|pg_logdir|pg_prewarm|autoprewarm|plpy|plperl|urlencode")

# Schemas, and what may be read of them all the same.
_SCHEMAS: dict[str, dict[str, tuple[str, ...]]] = {
    "mysql": {"mysql": (), "performance_schema": (), "sys": ()},
    "clickhouse": {"system": ("numbers", "numbers_mt", "one", "zeros", "zeros_mt")},
}
# Tables that hold secrets, settings, or the statements of others.
_TABLES = {
    "postgres": r"pg_(?:authid|shadow|user_mappings?|stat_(?:activity|statements|replication|ssl|gssapi"
    r"|wal_receiver|progress_.*)|hba_file_rules|ident_file_mappings|file_settings|settings|config|largeobject"
    r"|subscription|backend_memory_contexts|shmem_allocations|prepared_statements|cursors|db_role_setting"
    r"|replication_.*)$|user_mapping_options$|_pg_user_mappings$|foreign_server_options$",
    "mysql": r"(?:processlist|innodb_(?:trx|locks|lock_waits)|user_variables|(?:client|user)_statistics"
    r"|(?:global|session|system)_(?:variables|status)|(?:all_)?plugins)$",
    "sqlite": r"pragma_|(?:dbstat|sqlite_(?:stmt|dbpage|dbdata|dbptr)|bytecode|tables_used|fts3tokenize|fsdir"
    r"|zipfile)$",
    "duckdb": r"duckdb_(?:secrets?|settings|databases|logs?|log_.*|variables|external_.*|prepared_.*"
    r"|temporary_.*|extensions|memory)$|pragma_(?:database_list|settings)$",
}
# DuckDB takes the name of a table that it does not have for that of a file.
_FILE = re.compile(
    r".*(?:[/\\:*?\[\]]|\.(?:csv|tsv|txt|parquet|json|jsonl|ndjson|geojson|xlsx?|avro|arrow|ipc|feather|orc|vortex"
    r"|db|duckdb|ddb|sqlite3?|gz|zst|zip|bz2|xz|lz4|shp|gpkg|fgb)$)",
    re.IGNORECASE | re.DOTALL,
)

_Words = tuple[str, ...]
# What changes, locks or sets something within a query.
_CLAUSES: dict[_Words, str] = {
    ("into",): "INTO writes: leave it out",
    ("outfile",): "OUTFILE writes a file: leave it out",
    ("dumpfile",): "DUMPFILE writes a file: leave it out",
    ("for", "update"): "FOR UPDATE locks rows: leave it out",
    ("for", "share"): "FOR SHARE locks rows: leave it out",
    ("for", "no", "key"): "FOR NO KEY UPDATE locks rows: leave it out",
    ("for", "key", "share"): "FOR KEY SHARE locks rows: leave it out",
    ("lock", "in"): "LOCK IN SHARE MODE locks rows: leave it out",
    ("procedure", "analyse"): "PROCEDURE is not allowed: leave it out",
    ("next", "value", "for"): "NEXT VALUE FOR changes a sequence: leave it out",
    ("previous", "value", "for"): "PREVIOUS VALUE FOR is not allowed: leave it out",
    ("updlock",): "UPDLOCK locks rows: leave it out",
    ("xlock",): "XLOCK locks rows: leave it out",
    ("tablock",): "TABLOCK locks the table: leave it out",
    ("tablockx",): "TABLOCKX locks the table: leave it out",
    ("holdlock",): "HOLDLOCK locks rows: leave it out",
}
_SETTING_HINTS = ("set_var", "resource_group")
_STRINGS_NAME_TABLES = frozenset({"sqlite", "duckdb"})
_BEFORE_TABLES = ("from", "join", "in", "table", "describe", "summarize", "show", "pivot", "unpivot")
# DuckDB's functions with FROM or IN between their arguments.
_WITH_FROM = frozenset({"extract", "overlay", "position", "substring", "trim"})


@dataclass(frozen=True)
class Query:
    """A query that is to be judged.

    Attributes:
        sql: the caller's text, for the places in messages.
        tokens: those that are neither space nor comment.
        dialect: as for ``lex``.
        aliases: where names start that only name a table, such as ``t`` in ``unnest(a) t(b)``.
        tables: the tables read, each as catalog, schema and name, empty where there is none.
        functions: names, or patterns such as ``st_*``, that the operator allows.
    """

    sql: str
    tokens: Sequence[Token]
    dialect: str | None
    aliases: Collection[int]
    tables: Collection[Sequence[str]]
    functions: Collection[str]

    def operator(self, index: int, text: str) -> bool:
        """Tell whether this operator, or bracket, is at an index."""
        return self._at(index, Kind.OPERATOR, text)

    def word(self, index: int, text: str) -> bool:
        """Tell whether this keyword is at an index."""
        return self._at(index, Kind.WORD, text)

    def name(self, index: int) -> str | None:
        """The name at an index."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind in {Kind.WORD, Kind.NAME}:
            return name_of(self.tokens[index])
        return None

    def refused(self, index: int, message: str) -> ValidationFailed:
        """The answer, with the place of the token at an index."""
        return refused(message, self.sql, self.tokens[index].start)

    def has_effects(self, index: int, name: str) -> ValidationFailed:
        """The answer to a call that is not allowed."""
        return self.refused(
            index,
            f"the function '{name}' is not allowed, for it is not known to be without effects. If it is, an "
            "operator can add it to the option `query_functions` of `[platform]`",
        )

    def allows(self, *names: str) -> bool:
        """Tell whether the operator allows a function by one of these names."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.functions)

    def _at(self, index: int, kind: Kind, text: str) -> bool:
        if not 0 <= index < len(self.tokens):
            return False
        token = self.tokens[index]
        return token.kind is kind and token.text.lower() == text


def check(query: Query) -> None:
    """Refuse a query that calls or reads what it may not.

    Raises:
        ValidationFailed: with the name and its place.
    """
    _check_clauses(query)
    _check_schemas(query)
    for index in range(len(query.tokens)):
        if query.dialect == "clickhouse" and query.word(index, "apply"):
            _check_apply(query, index)
        if query.operator(index + 1, "("):
            _check_call(query, index)
        elif query.dialect in _POSTGRES and query.operator(index - 1, "."):
            _check_attribute(query, index)
        elif query.word(index, "show") and query.operator(index - 1, "("):
            raise query.refused(index, "SHOW must stand alone")
        elif query.word(index - 1, "in"):
            # SQLite and ClickHouse take a table there.
            _check_table(_chain(query, index), query.dialect)
    if query.dialect in _STRINGS_NAME_TABLES:
        _check_strings(query)
    for table in query.tables:
        _check_table(table, query.dialect)


def name_of(token: Token) -> str:
    """The name that a word or a quoted name stands for; engines compare words without their case."""
    if token.kind is Kind.WORD:
        return token.text.lower()
    quote = token.text[-1]
    return token.text[1:-1].replace(quote * 2, quote)


def _check_call(query: Query, index: int) -> None:
    token = query.tokens[index]
    if token.kind in {Kind.STRING, Kind.PLACEHOLDER}:
        raise query.refused(index, "a value cannot be called: put an operator or a comma before the bracket")
    name = query.name(index)
    if name is None or token.start in query.aliases:
        return
    qualifiers = _qualifiers(query, index)
    if not qualifiers and (_names_a_type(query, index) or _is_keyword(token, query.dialect)):
        return
    full = ".".join((*qualifiers, name))
    if not query.allows(full, name) and not _is_harmless(qualifiers, name, query.dialect):
        raise query.has_effects(index, full)


def _is_harmless(qualifiers: Sequence[str], name: str, dialect: str | None) -> bool:
    if dialect is None or dialect not in _LISTED:
        return not any(_DENIED.match(part.lower()) for part in (*qualifiers, name))
    if qualifiers and dialect != "duckdb" and (dialect, *qualifiers) != ("postgres", "pg_catalog"):
        # A schema of one's own has functions of one's own. In DuckDB, a value may stand before the dot.
        return False
    return _is_known(name, dialect)


def _qualifiers(query: Query, index: int) -> tuple[str, ...]:
    """The names before a name, such as ``pg_catalog`` in ``pg_catalog.lower(x)``; ``?`` for anything else."""
    found: list[str] = []
    while query.operator(index - 1, "."):
        index -= 2
        found.append(query.name(index) or "?")
    return tuple(reversed(found))


def _names_a_type(query: Query, index: int) -> bool:
    """Tell whether the name follows AS or ``::``, where no engine takes a call."""
    return query.operator(index - 1, "::") or query.word(index - 1, "as")


def _is_keyword(token: Token, dialect: str | None) -> bool:
    return token.kind is Kind.WORD and token.text.lower() in _keywords(dialect)


@cache
def _keywords(dialect: str | None) -> frozenset[str]:
    also = _functions(f"{dialect}.keywords.txt") if dialect in _LISTED else frozenset()
    return _functions("keywords.txt") | also


def _is_known(name: str, dialect: str) -> bool:
    if name in _functions(f"{dialect}.txt"):
        return True
    if dialect != "clickhouse" or name in _functions("clickhouse.effects.txt"):
        return False
    shorter = _COMBINATOR.sub("", name)
    return shorter not in {"", name} and _is_known(shorter, dialect)


@cache
def _functions(file: str) -> frozenset[str]:
    folder = resources.files("airflow_platform_plugin.analytics") / "functions"
    return frozenset((folder / file).read_text("ascii").split())


def _check_attribute(query: Query, index: int) -> None:
    """PostgreSQL calls ``f`` in ``(x).f`` as well."""
    name = query.name(index)
    # Of t.f it looks for a column alone; (t).a.f is looked for among functions too.
    if name is None or query.allows(name) or _qualifiers(query, index)[0] != "?":
        return
    if name in _functions("postgres.effects.txt") or _EXTENSIONS.match(name):
        raise query.has_effects(index, name)


def _check_apply(query: Query, index: int) -> None:
    """ClickHouse calls ``f`` in ``* APPLY f`` and ``* APPLY (f)``."""
    index += 2 if query.operator(index + 1, "(") else 1
    name = query.name(index)
    if query.operator(index + 1, "-") or query.operator(index + 1, "(") or name is None:
        return  # a lambda, or parameters of an aggregate function, whose name is checked like others
    if not query.allows(name) and not _is_known(name, "clickhouse"):
        raise query.has_effects(index, name)


def _chain(query: Query, index: int) -> list[str]:
    """The names from an index on that have dots between them."""
    names = []
    while (name := query.name(index)) is not None:
        names.append(name)
        if not query.operator(index + 1, "."):
            break
        index += 2
    return names


def _check_clauses(query: Query) -> None:
    words = [token.text.lower() if token.kind is Kind.WORD else "" for token in query.tokens]
    for index, token in enumerate(query.tokens):
        if token.kind is Kind.HINT and any(name in token.text.lower() for name in _SETTING_HINTS):
            raise query.refused(index, "a hint may not set variables or a resource group: leave it out")
        if words[index] and not query.operator(index - 1, "."):
            for length in (1, 2, 3):
                if message := _CLAUSES.get(tuple(words[index : index + length])):
                    raise query.refused(index, message)


def _check_schemas(query: Query) -> None:
    schemas = _SCHEMAS.get(query.dialect or "", {})
    for index in range(len(query.tokens)):
        name = (query.name(index) or "").lower()
        qualifies = query.operator(index + 1, ".") and not query.operator(index - 1, ".")
        if name in schemas and qualifies and query.name(index + 2) not in schemas[name]:
            raise query.refused(index, f"the schema '{name}' may not be read")


def _check_strings(query: Query) -> None:
    """SQLite and DuckDB take a string for the name of a table, and DuckDB that for a file's."""
    brackets = [""]  # the words before the brackets that are open
    for index, token in enumerate(query.tokens):
        if token.text in {"(", "[", "{"}:
            brackets.append(query.name(index - 1) or "")
        elif token.text in {")", "]", "}"} and len(brackets) > 1:
            brackets.pop()
        elif (
            token.kind is Kind.STRING
            and brackets[-1] not in _WITH_FROM
            and any(query.word(index - 1, word) for word in _BEFORE_TABLES)
        ):
            raise query.refused(index, "a string cannot be a table: write a table's name")


def _check_table(table: Sequence[str], dialect: str | None) -> None:
    name = table[-1] if table else ""
    pattern = _TABLES.get("postgres" if dialect in _POSTGRES else dialect or "")
    if pattern is not None and re.match(pattern, name.lower()):
        raise refused(f"the table '{name}' may not be read")
    if dialect == "duckdb" and _FILE.match(".".join(filter(None, table))):
        raise refused(f"the table '{name}' may not be read, for its name is that of a file")
