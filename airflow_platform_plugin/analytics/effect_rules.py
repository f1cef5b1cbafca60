"""What a query may not call or read, by dialect: rules for ``effects``. Pure."""

import re

POSTGRES_LIKE = frozenset({"postgres", "redshift", "materialize", "risingwave"})

# The dialects with a list of functions in functions/. Words that may be before a bracket without a call are
# in keywords.txt and <dialect>.keywords.txt there, with ClickHouse's types.
LISTED = frozenset({"clickhouse", "duckdb", "mysql", "postgres", "sqlite"})

# sum -> sumIf, sumOrNullState: ClickHouse derives functions from its aggregate functions.
_COMBINATOR = re.compile(
    r"(?:argmax|argmin|array|distinct|foreach|if|map|merge|mergestate|null|ordefault|ornull|resample|simplestate|state"
    r"|tuple)$"
)

# For engines without a list: functions that read files, other servers or settings, or run, wait, lock or log.
_DENIED_FUNCTIONS = re.compile(
    r"(?:pg|lo|dblink|xp|sp|utl|dbms|sys|http|fn|ai|java|python|plpy|plperl|postgres|read|write|load|sniff|duckdb)_"
    r"|.*(?:_scan|_lock|_wait|_to_xml|sleep|_exec|_execute)$|dict(?:get|has|isin)|open(?:rowset|query|datasource|xml)"
    r"|(?:iceberg|deltalake|hudi|hdfs|azureblob|cluster(?:all|$)|s3(?:cluster)?$|gcs$)"
    r"|(?:ai|benchmark|dblink|edit|exec|executable|execute|external_query|extractvalue|file|files|fts3_tokenizer|getenv"
    r"|glob|httpuritype|infer_schema|java_method|jdbc|kill|last_insert_id|loread|lowrite|merge|mongodb|mysql|nextval"
    r"|currval|lastval|setval|setseed|odbc|postgresql|query|query_table|raw_query|randomblob|reflect|remote"
    r"|remotesecure|result_scan|set_config|current_setting|sqlite|system|try_reflect|ts_rewrite|ts_stat|txid_current"
    r"|updatexml|url|validate|view|wait|waitfor|which_secret|zeroblob)$"
)

# The same in PostgreSQL's extensions.
_DENIED_EXTENSION_FUNCTIONS = re.compile(
    r"dblink|http_|pg_file_|pg_logdir|pg_prewarm|autoprewarm|plpy|plperl|urlencode"
)

# Schemas that may not be read, with the tables in them that may.
DENIED_SCHEMAS: dict[str, dict[str, tuple[str, ...]]] = {
    "mysql": {"mysql": (), "performance_schema": (), "sys": ()},
    "clickhouse": {"system": ("numbers", "numbers_mt", "one", "zeros", "zeros_mt")},
}
# Tables with secrets, settings, or the statements of other sessions.
_DENIED_TABLES = {
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
# DuckDB reads a file if it has no table of that name.
_FILE_NAME = re.compile(
    r".*(?:[/\\:*?\[\]]|\.(?:csv|tsv|txt|parquet|json|jsonl|ndjson|geojson|xlsx?|avro|arrow|ipc|feather|orc|vortex"
    r"|db|duckdb|ddb|sqlite3?|gz|zst|zip|bz2|xz|lz4|shp|gpkg|fgb)$)",
    re.IGNORECASE | re.DOTALL,
)

# Clauses of a query that change, lock or set something.
DENIED_CLAUSES: dict[tuple[str, ...], str] = {
    ("into",): "INTO writes: remove it",
    ("outfile",): "OUTFILE writes a file: remove it",
    ("dumpfile",): "DUMPFILE writes a file: remove it",
    ("for", "update"): "FOR UPDATE locks rows: remove it",
    ("for", "share"): "FOR SHARE locks rows: remove it",
    ("for", "no", "key"): "FOR NO KEY UPDATE locks rows: remove it",
    ("for", "key", "share"): "FOR KEY SHARE locks rows: remove it",
    ("lock", "in"): "LOCK IN SHARE MODE locks rows: remove it",
    ("procedure", "analyse"): "PROCEDURE is not allowed: remove it",
    ("next", "value", "for"): "NEXT VALUE FOR changes a sequence: remove it",
    ("previous", "value", "for"): "PREVIOUS VALUE FOR is not allowed: remove it",
    ("updlock",): "UPDLOCK locks rows: remove it",
    ("xlock",): "XLOCK locks rows: remove it",
    ("tablock",): "TABLOCK locks the table: remove it",
    ("tablockx",): "TABLOCKX locks the table: remove it",
    ("holdlock",): "HOLDLOCK locks rows: remove it",
}
DENIED_HINTS = ("set_var", "resource_group")
STRINGS_NAME_TABLES = frozenset({"sqlite", "duckdb"})
BEFORE_TABLES = ("from", "join", "in", "table", "describe", "summarize", "show", "pivot", "unpivot")
# DuckDB's functions with FROM or IN between their arguments.
WITH_FROM = frozenset({"extract", "overlay", "position", "substring", "trim"})


def without_combinator(name: str) -> str:
    """Return the function from which ClickHouse derives a function: ``sum`` for ``sumif``."""
    return _COMBINATOR.sub("", name)


def is_denied_function(name: str) -> bool:
    """Return whether an engine without a list of functions may not call it."""
    return _DENIED_FUNCTIONS.match(name) is not None


def is_denied_extension_function(name: str) -> bool:
    """Return whether it is such a function of an extension of PostgreSQL."""
    return _DENIED_EXTENSION_FUNCTIONS.match(name) is not None


def is_denied_table(name: str, dialect: str | None) -> bool:
    """Return whether a table with that name may not be read in any schema."""
    pattern = _DENIED_TABLES.get("postgres" if dialect in POSTGRES_LIKE else dialect or "")
    return pattern is not None and re.match(pattern, name.lower()) is not None


def is_file_name(name: str) -> bool:
    """Return whether DuckDB could read a file by that name of a table."""
    return _FILE_NAME.match(name) is not None
