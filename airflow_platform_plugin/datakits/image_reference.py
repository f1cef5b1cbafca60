"""References to container images: the grammar of the OCI distribution. Pure.

A reference has a path and a tag, a digest or both; a host and port may come first.
"""

import re

_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]+)?"
_PATH = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
GRAMMAR = rf"({_HOST}/)?{_PATH}(/{_PATH})*({_TAG}({_DIGEST})?|{_DIGEST})"


def require_valid(text: str) -> str:
    """Return the text if it is a reference with a tag or a digest.

    Raises:
        ValueError: it is not.
    """
    if not re.fullmatch(GRAMMAR, text):
        raise ValueError(
            "must be an OCI reference with a tag or a digest, such as registry.example/kit:1.2.0"
        )
    return text


def image_name(image: str) -> str:
    """Return the last part of an image's path, without tag and digest: ``customer-360``."""
    return image.split("@", 1)[0].rsplit("/", 1)[-1].split(":", 1)[0]
