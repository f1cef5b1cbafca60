"""URL converters for names that share a path with reserved words."""

from collections.abc import Collection

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter


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
