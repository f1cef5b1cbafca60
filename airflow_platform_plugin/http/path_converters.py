"""URL converters for names that share a path with reserved words, and for names with slashes."""

from collections.abc import Collection

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter, PathConverter


def exclude_reserved(blueprint: Blueprint, kind: str, words: Collection[str]) -> None:
    """Register the converter ``kind``, so that ``<kind:name>`` matches any name except those words.

    Otherwise ``/datakits/schema`` would also be the path of a kit, for methods that the schema does not have.
    """
    reserved = frozenset(words)

    class Name(BaseConverter):
        words = reserved  # for the OpenAPI document
        regex = rf"(?!(?:{'|'.join(words)})$)[^/]+"
        part_isolating = True

    def register(state: BlueprintSetupState) -> None:
        state.app.url_map.converters[kind] = Name

    blueprint.record(register)


class NameWithSlashes(PathConverter):
    """A name that may have slashes inside, and any other character; werkzeug's own stops at a line break."""

    regex = "[^/]+(?:/[^/]+)*"


def allow_slashes(blueprint: Blueprint, kind: str) -> None:
    """Register the converter ``kind``, so that ``<kind:name>`` matches a name that may have slashes."""

    def register(state: BlueprintSetupState) -> None:
        state.app.url_map.converters[kind] = NameWithSlashes

    blueprint.record(register)
