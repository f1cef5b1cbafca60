"""Kubernetes quantities. Pure."""

from decimal import Decimal

import pytest

from airflow_platform_plugin import quantities


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4000m", "4"),
        ("16Gi", str(16 * 1024**3)),
        ("100Gi", str(100 * 1024**3)),
        ("1.5", "1.5"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", str(10**18)),
        ("1Ei", str(1024**6)),
        ("5k", "5000"),
        (".5", "0.5"),
        ("1.", "1"),
        ("100u", "0.0001"),
        ("-1", "-1"),
        ("0", "0"),
        ("0.1n", "1e-9"),
        ("1.0000000001", "1.000000001"),
        ("10E", str(2**63 - 1)),
        ("9e99", str(2**63 - 1)),
        ("-9e99", str(1 - 2**63)),
        ("12e-3", "0.012"),
        ("0.5Mi", str(512 * 1024)),
    ],
)
def test_a_quantity_is_what_kubernetes_takes_it_for(text: str, number: str) -> None:
    assert quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "many", "1 Gi", "1gi", "1K", "0x1", "1e", "1.5.5", "Infinity", "1\n", "\u0661"]
)
def test_anything_else_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="Kubernetes quantity"):
        quantities.parse(text)
