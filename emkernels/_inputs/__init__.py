"""The one door for what people pass: containers in, plain arrays out, errors that name the cell."""

from emkernels._inputs._arrow import (
    NotANumber,
    are_single_types,
    arrow_numbers,
    check_number_type,
    is_number_type,
    is_single_type,
    pandas_index,
    pandas_metadata,
)
from emkernels._inputs._labels import as_labels
from emkernels._inputs._levels import (
    Levels,
    as_column,
    as_columns,
    codes_of,
    levels_of,
    numbers_of,
)
from emkernels._inputs._names import (
    Named,
    NamedTable,
    categories_of,
    check_names,
    check_same_rows,
    names_of,
    place,
)
from emkernels._inputs._numbers import float64, real, switch, whole
from emkernels._inputs._random import as_random_state
from emkernels._inputs._tables import (
    TEXTS,
    UnusableInputError,
    as_rows,
    as_table,
    missing_cells,
    refuse_unread,
)

__all__ = [
    "TEXTS",
    "Levels",
    "Named",
    "NamedTable",
    "NotANumber",
    "UnusableInputError",
    "are_single_types",
    "arrow_numbers",
    "as_column",
    "as_columns",
    "as_labels",
    "as_random_state",
    "as_rows",
    "as_table",
    "categories_of",
    "check_names",
    "check_number_type",
    "check_same_rows",
    "codes_of",
    "float64",
    "is_number_type",
    "is_single_type",
    "levels_of",
    "missing_cells",
    "names_of",
    "numbers_of",
    "pandas_index",
    "pandas_metadata",
    "place",
    "real",
    "refuse_unread",
    "switch",
    "whole",
]
