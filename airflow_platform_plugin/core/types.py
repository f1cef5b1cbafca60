"""Names for values whose types mypy cannot know. Each stands for ``Any`` and says what the value is."""

from typing import Any, TypeAlias

Json: TypeAlias = Any  # what json.loads returns and json.dumps takes
SqlValue: TypeAlias = Any  # the value of a column
TableColumn: TypeAlias = Any  # a column of a table or of a mapped class
Row: TypeAlias = Any  # an object of a mapped class, or a row of a result
Option: TypeAlias = Any  # a keyword argument that is passed on to a library
Loaded: TypeAlias = Any  # what a schema makes of a body
Resolved: TypeAlias = Any  # what a reference such as ``tenants.api:blueprint`` names
ViewResult: TypeAlias = Any  # what a Flask view returns
