"""The command ``query``, and the requests that it sends."""

import pytest
import yaml
from command_line import Run
from fake_platform import FakePlatform


def test_query_prints_a_table_and_sends_typed_parameters(cli: Run, platform: FakePlatform) -> None:
    """Parameters that are JSON are sent as JSON, all others as text."""
    rows = [{"segment": "Diamond", "n": 127}, {"segment": "Gold", "n": None}]
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": rows, "truncated": True})
    parameters = ["day=2024-01-01", "n=5", "all=true", "none=null", "eq=a=b", "empty="]
    options = [word for parameter in parameters for word in ("--param", parameter)]
    result = cli("query", "SELECT 1", "--database", "warehouse", "--limit", "2", *options)
    assert result.err == "2 rows\nThe result is truncated: the query has more than 2 rows.\n"
    rows_printed = [line.split() for line in result.out.splitlines() if line.strip()]
    assert rows_printed[2:] == [["Diamond", "127"], ["Gold"]]
    assert platform.last.body == {
        "query": "SELECT 1",
        "database": "warehouse",
        "limit": 2,
        "parameters": {"day": "2024-01-01", "n": 5, "all": True, "none": None, "eq": "a=b", "empty": ""},
    }


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_query_says_that_the_result_is_truncated(output: str, cli: Run, platform: FakePlatform) -> None:
    """Standard error has the message in every format, and columns keep their order."""
    rows = [{"z": 1, "a": 2, "m": 3}]
    metadata = {
        "columns": [{"name": name, "type": "INT"} for name in "zam"],
        "warnings": ["limit was lowered."],
    }
    answer = {"query_id": "q", "status": "completed", "data": rows, "truncated": True, "metadata": metadata}
    platform.answer(200, answer)
    result = cli("query", "SELECT 1", "-o", output)
    truncated = "The result is truncated: the query has more than 1 rows.\nlimit was lowered.\n"
    assert result.err == ("1 rows\n" if output == "table" else "") + truncated
    if output == "table":
        assert result.out.split()[:3] == ["z", "a", "m"]
    else:
        assert list(yaml.safe_load(result.out)["data"][0]) == ["z", "a", "m"]


def test_query_without_rows_prints_their_number(cli: Run, platform: FakePlatform) -> None:
    """A query without rows succeeds."""
    platform.answer(200, {"query_id": "q_1", "status": "completed", "data": []})
    assert cli("query", "SELECT 1").err == "0 rows\n"


def test_a_query_parameter_needs_a_name_and_a_value(cli: Run, platform: FakePlatform) -> None:
    """An incomplete parameter exits with 2 and sends nothing."""
    assert cli("query", "SELECT 1", "--param", "n").status == 2
    assert not platform.requests
