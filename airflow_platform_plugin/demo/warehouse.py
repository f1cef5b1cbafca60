"""The quickstart's warehouse: a DuckDB file with customers and orders, with the same content each time."""

import csv
import random
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

CUSTOMERS = 20_000
ORDERS = 80_000
_SEED = 360
_FIRST_DAY = date(2023, 1, 1)
_DAYS = 730
_COUNTRIES = ["DE", "FR", "GB", "JP", "US"]
_FIRST = ["Ada", "Alan", "Barbara", "Donald", "Edsger", "Frances", "Grace", "John", "Katherine", "Margaret"]
_LAST = ["Allen", "Dijkstra", "Hamilton", "Hopper", "Johnson", "Knuth", "Liskov", "Lovelace", "McCarthy"]


def build(path: Path) -> None:
    """Write ``bronze.customers`` and ``bronze.orders`` into a new file."""
    chance = random.Random(_SEED)  # noqa: S311 - made-up data, not secrets
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA bronze")
        for name, rows in (("customers", _customers(chance)), ("orders", _orders(chance))):
            file = Path(folder) / f"{name}.csv"
            _write(file, rows)
            connection.execute(f"CREATE TABLE bronze.{name} AS FROM read_csv(?)", [str(file)])


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(stream, list(row))
                writer.writeheader()
            writer.writerow(row)


def _customers(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(1, CUSTOMERS + 1):
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        yield {
            "customer_id": number,
            "name": f"{first} {last}",
            "email": f"{first}.{last}.{number}@example.com".lower(),
            "country": chance.choice(_COUNTRIES),
            "signed_up_on": _FIRST_DAY + timedelta(days=chance.randrange(_DAYS)),
            "is_active": chance.random() < 0.85,  # noqa: PLR2004 - the share of active ones
        }


def _orders(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(1, ORDERS + 1):
        yield {
            "order_id": number,
            # A few customers buy a lot, so that the segments differ.
            "customer_id": 1 + int(CUSTOMERS * chance.random() ** 4),
            "ordered_on": _FIRST_DAY + timedelta(days=chance.randrange(_DAYS)),
            "total_amount": round(chance.lognormvariate(4.2, 0.9), 2),
        }
