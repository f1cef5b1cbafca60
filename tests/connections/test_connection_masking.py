"""Masks for secrets."""

from airflow_platform_plugin.connections import masking


def test_logins_of_uris_are_masked() -> None:
    """In each word, everything up to the last @ is masked."""
    for text, shown in {
        "https://u:p@h": "https://***@h",
        "https://u:p@ss@h/x": "https://***@h/x",
        "a://x,b://u:p@h": "a://***@h",
        "https://u:p@h and ftp://v:q@i": "https://***@h and ftp://***@i",
        "https://u:p@h\thttps://v:q@i\n": "https://***@h\thttps://***@i\n",
        "https://@h": "https://@h",
        "https://h": "https://h",
        "me@example.com": "me@example.com",
        "me@example.com://h": "me@example.com://h",
        "://@x://y@z": "://***@z",
        "": "",
    }.items():
        assert masking.mask_text(text) == shown, text
