"""The DataKit ``customer-360``: bronze customers and orders become ``gold.dim_customer``.

It reads the run contract (docs/datakit-contract.md). The warehouse is the quickstart's own, which its
environment names: this kit is installed wherever the plugin is, and a tenant that runs it must reach no other
database.
"""

import json
import os
import sys
import time
from pathlib import Path

import duckdb

_LOCK_TIMEOUT = 60.0  # seconds

_CREATE = """
CREATE SCHEMA IF NOT EXISTS gold;
CREATE OR REPLACE TABLE gold.dim_customer (
    customer_id BIGINT, name VARCHAR, country VARCHAR, is_active BOOLEAN,
    order_count BIGINT, lifetime_value DOUBLE, last_ordered_on DATE, customer_segment VARCHAR)
"""
_INSERT = """
INSERT INTO gold.dim_customer
SELECT *, CASE WHEN lifetime_value >= 5000 THEN 'Diamond' WHEN lifetime_value >= 1000 THEN 'Gold'
               WHEN lifetime_value > 0 THEN 'Silver' ELSE 'Bronze' END
FROM (
    SELECT customer.customer_id, any_value(name), any_value(country), any_value(is_active),
           count(order_id), coalesce(round(sum(total_amount), 2), 0) AS lifetime_value, max(ordered_on)
    FROM bronze.customers AS customer LEFT JOIN bronze.orders USING (customer_id)
    WHERE customer.customer_id BETWEEN ? AND ?
    GROUP BY customer.customer_id)
"""


def main() -> int:
    """Run once; return the exit status of the process."""
    configuration = json.loads(os.environ["DATAKIT_CONFIGURATION"])
    with _connect(_warehouse()) as connection:
        connection.execute(f"SET threads TO {int(configuration['parallel_tasks'])}")
        # Readers see the old table until the new one is complete.
        connection.execute("BEGIN")
        connection.execute(_CREATE)
        rows = _transform(connection, int(configuration["batch_size"]))
        connection.execute("COMMIT")
    print(f"gold.dim_customer: {rows} rows for run {os.environ['DATAKIT_RUN_ID']}")
    result = {"outputs": {"customer_360": {"rows": rows}}}
    Path(os.environ["DATAKIT_RESULT_FILE"]).write_text(json.dumps(result), encoding="utf-8")
    return 0


def _transform(connection: duckdb.DuckDBPyConnection, batch_size: int) -> int:
    (last,) = connection.execute("SELECT max(customer_id) FROM bronze.customers").fetchone() or (0,)
    rows = 0
    for first in range(1, last + 1, batch_size):
        (added,) = connection.execute(_INSERT, [first, first + batch_size - 1]).fetchone() or (0,)
        rows += added
        print(f"customers {first} to {min(last, first + batch_size - 1)}: {added} rows", flush=True)
    return rows


def _warehouse() -> str:
    path = os.environ.get("AIRFLOW_PLATFORM_DEMO_WAREHOUSE")
    if path is None:
        print("This kit runs only in the quickstart.", file=sys.stderr)
        sys.exit(os.EX_CONFIG)
    return path


def _connect(path: str) -> duckdb.DuckDBPyConnection:
    """Connect to the file for writing; wait while another process reads it."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            return duckdb.connect(path)
        except duckdb.IOException as error:
            if "lock" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
