"""Kubernetes quantities. Pure."""

from decimal import Decimal

import pytest

from airflow_platform_plugin.core import kubernetes_quantities


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
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, number: str) -> None:
    assert kubernetes_quantities.parse(text) == Decimal(number)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "many",
            "1 Gi",
            "1gi",
            "1K",
            "0x1",
            "1e",
            "1.5.5",
            "1\n",
            "\u0661",
            "1_0",
            "\uff11",
            " 1",
            "1 ",
        ),
        *(
            "Infinity",
            "-Infinity",
            "inf",
            "NaN",
            "sNaN",
            "1e999999999",
            "1e-999999999",
            "1e100",
            "--1",
            "1Gim",
        ),
        "1" * 1_000_000 + "!",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Kubernetes quantity"):
        kubernetes_quantities.parse(text)


@pytest.mark.parametrize(
    "text", ["9" * 32, "9" * 30 + "Ei", "." + "9" * 31, "9" * 29 + "e99", "9" * 28 + "e-99", "-" + "9" * 31]
)
def test_the_longest_quantities_are_numbers(text: str) -> None:
    """The arithmetic has enough digits, and the result fits into 64 bits."""
    assert abs(kubernetes_quantities.parse(text)) <= 2**63 - 1
    assert (
        kubernetes_quantities.parse(kubernetes_quantities.render(kubernetes_quantities.parse(text)))
        is not None
    )
