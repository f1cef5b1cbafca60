"""The forms of FAB's pages in which an administrator chooses roles or users, with very many of these.

To offer their names, stock FAB reads all roles with their permissions, and all users with their roles. The
field here reads the names, and the objects of what was chosen. The forms and what they save stay the same.

A module of its own, since it imports FAB, which only the webserver needs.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import flask_appbuilder
from flask_appbuilder.fields import QuerySelectMultipleField
from flask_appbuilder.fieldwidgets import Select2ManyWidget
from markupsafe import Markup, escape
from sqlalchemy import select
from sqlalchemy.orm import lazyload
from wtforms.fields.core import UnboundField  # type: ignore[import-untyped]  # WTForms has no types
from wtforms.validators import ValidationError  # type: ignore[import-untyped]  # the same

from airflow_platform_plugin.airflow_compat.types import FormField, Model, View

if TYPE_CHECKING:
    from flask import Flask

_FORMS = {
    "add_form": "add_form_query_rel_fields",
    "edit_form": "edit_form_query_rel_fields",
    "search_form": "search_form_query_rel_fields",
}
_STOCK_QUERY = "GeneralModelConverter._get_related_query_func.<locals>.<lambda>"
_KNOWN_FAB = "4.5."
_LONGEST_ID = 9  # digits: fits the integers of every database


def offer_names_only(app: "Flask") -> None:
    """Let the forms of all pages that offer roles or users read only names.

    Fields that a page filters or defines itself stay as they are, and so do all forms with another version of
    FAB than the one whose fields we know.
    """
    if not flask_appbuilder.__version__.startswith(_KNOWN_FAB):
        return
    from airflow.providers.fab.auth_manager.models import Role, User

    names = {Role: (Role.name,), User: (User.first_name, User.last_name)}
    for view in app.appbuilder.baseviews:  # type: ignore[attr-defined]
        for attribute, filters in _FORMS.items():
            form = getattr(view, attribute, None)
            for column in _plain_fields(view, form, getattr(view, filters, None) or {}):
                model = view.datamodel.get_related_model(column)
                if model in names:
                    _replace(form, column, view, model, names[model])


def _plain_fields(view: View, form: FormField, filtered: "dict[str, Any]") -> list[str]:
    """Return the names of a form's fields that offer all rows of a related model."""
    return [
        name
        for name, field in vars(form or object).items()
        if isinstance(field, UnboundField)
        and field.field_class is QuerySelectMultipleField
        and getattr(field.kwargs.get("query_func"), "__qualname__", None) == _STOCK_QUERY
        and name not in filtered
        and view.datamodel.is_relation(name)
    ]


def _replace(form: FormField, name: str, view: View, model: Model, columns: tuple[Any, ...]) -> None:
    stock = vars(form)[name]
    settings = {key: value for key, value in stock.kwargs.items() if key not in {"query_func", "get_pk_func"}}
    settings |= {"widget": _Options(), "view": view, "model": model, "columns": columns}
    field = UnboundField(NamesField, *stock.args, **settings)
    field.creation_counter = stock.creation_counter  # its place in the form
    setattr(form, name, field)


class NamesField(QuerySelectMultipleField):
    """A choice of several rows of a model, which reads only the names of those that it offers."""

    def __init__(
        self, *args: FormField, view: View, model: Model, columns: tuple[Any, ...], **settings: FormField
    ) -> None:
        super().__init__(*args, **settings)
        self._view, self._model, self._columns = view, model, columns

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the id and the name of each row, by name."""
        rows = select(self._model.id, *self._columns).order_by(*self._columns)
        for row_id, *parts in self._view.datamodel.session.execute(rows):
            yield str(row_id), " ".join(parts)

    def iter_choices(self) -> Iterator[tuple[str, str, bool, dict[str, Any]]]:
        """Yield what the field offers, and what is chosen."""
        chosen = {str(row.id) for row in self.data}
        for row_id, name in self.names():
            yield row_id, name, row_id in chosen, {}

    def pre_validate(self, _form: FormField) -> None:
        """Refuse ids of rows that do not exist."""
        if self.data is not None and self._invalid_formdata:
            raise ValidationError(self.gettext("Not a valid choice"))

    def _get_data(self) -> list[Model]:
        if self._formdata is not None:
            ids = {int(each) for each in self._formdata if each.isdecimal() and len(each) <= _LONGEST_ID}
            rows = select(self._model).where(self._model.id.in_(ids)).options(lazyload("*"))
            found = self._view.datamodel.session.scalars(rows).unique().all() if ids else []
            self._invalid_formdata = len(found) != len(self._formdata)
            self._set_data(list(found))
        data: list[Model] = self._data
        return data

    data = property(_get_data, QuerySelectMultipleField._set_data)  # noqa: SLF001 - the base class's


class _Options(Select2ManyWidget):
    """The same as FAB's widget for many choices, in a hundredth of the time for each."""

    def __call__(self, field: NamesField, **attributes: object) -> Markup:
        frame = super().__call__(_Frame(field), **attributes)
        options = "".join(
            f'<option{" selected" if chosen else ""} value="{row_id}">{escape(name)}</option>'
            for row_id, name, chosen, _ in field.iter_choices()
        )
        return Markup(frame.removesuffix("</select>") + Markup(options) + "</select>")  # noqa: S704 - escaped above


class _Frame:
    """A field that offers nothing."""

    def __init__(self, field: NamesField) -> None:
        self.id, self.name, self.flags = field.id, field.name, field.flags

    def has_groups(self) -> bool:
        return False

    def iter_choices(self) -> tuple[()]:
        return ()

    _iter_choices_normalized = iter_choices
