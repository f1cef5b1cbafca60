"""Names in paths, beside words that mean something else there."""

from collections.abc import Collection

from flask import Blueprint
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter


def exclude_reserved(blueprint: Blueprint, kind: str, words: Collection[str]) -> None:
    """Let ``<kind:name>`` in the blueprint's paths be any name but those words.

    Without it a path such as ``/datakits/schema`` would be that of a kit for other methods than its own.
    """
    reserved = frozenset(words)

    class Name(BaseConverter):
        words = reserved  # for the document
        regex = rf"(?!(?:{'|'.join(words)})$)[^/]+"
        part_isolating = True

    def register(state: BlueprintSetupState) -> None:
        state.app.url_map.converters[kind] = Name

    blueprint.record(register)
