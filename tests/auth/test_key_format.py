"""The text of API keys. Pure."""

import pytest

from airflow_platform_plugin.auth import key_format


def test_a_key_is_parsed_into_its_parts() -> None:
    made = key_format.generate()
    assert key_format.parse(str(made)) == made
    assert str(made).startswith("afp_")


def test_two_keys_differ() -> None:
    assert len({str(key_format.generate()) for _ in range(100)}) == 100


@pytest.mark.parametrize("position", [0, 5, 20, 40, -7, -1])
def test_a_changed_character_is_detected_without_a_query(position: int) -> None:
    """The checksum covers every part of the key."""
    text = list(str(key_format.generate()))
    text[position] = "a" if text[position] != "a" else "b"
    assert key_format.parse("".join(text)) is None


@pytest.mark.parametrize("text", ["", "afp_", "your-api-key-here", "afp_x_y", "ä" * 66])
def test_other_texts_are_not_parsed(text: str) -> None:
    assert key_format.parse(text) is None


def test_a_key_with_a_newline_at_the_end_is_not_parsed() -> None:
    assert key_format.parse(f"{key_format.generate()}\n") is None
