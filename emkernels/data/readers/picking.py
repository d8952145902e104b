"""Some columns of a table, by name or by position."""

import numpy as np

from emkernels import _inputs
from emkernels._extras import optional
from emkernels._words import some
from emkernels.data.rows import Rows


def as_known(table):
    """A batch of Arrow, of which scikit-learn does not see the names, as a table."""
    if hasattr(table, "column_names") and hasattr(table, "to_struct_array") and not hasattr(
            table, "combine_chunks"):
        return optional("pyarrow", "Parquet", "parquet").Table.from_batches([table])
    return table


def names_in(table):
    """What a data frame or table calls its columns, a list; None for what has no names."""
    if isinstance(table, (Rows, _inputs.NamedTable)):
        return None if table.names is None else list(table.names)
    if hasattr(table, "column_names") and hasattr(table, "column"):     # Arrow
        return list(table.column_names)
    if hasattr(table, "columns") and (hasattr(table, "get_columns") or hasattr(table, "iloc")):
        return list(table.columns)
    return None


def check_chosen(columns, names, weight_name=None, n_columns=None, where="source"):
    """The columns to read, in their order; ValueError for those that are not there, or twice.

    Parameters
    ----------
    columns : list or None
        None: all but the weights.
    names : list or None
        Of the table; None where columns have positions only.
    weight_name : str or None
    n_columns : int, optional
        Where there are no names.
    where : str
        What has the columns.
    """
    if names is None:
        if weight_name is not None:
            raise ValueError(f"sample_weight={weight_name!r} names a column, and the columns of "
                             "source have no names")
        return None if columns is None else _positions(columns, n_columns)
    doubled = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    wanted = [name for name in names if name != weight_name] if columns is None else columns
    if weight_name is not None and weight_name not in names:
        raise ValueError(f"sample_weight={weight_name!r} is no column of source; there are "
                         f"{some([*map(repr, names)])}")
    if weight_name is not None and weight_name in wanted:
        raise ValueError(f"column {weight_name!r} is sample_weight, and cannot be one of columns")
    unknown = [name for name in wanted if not _is_in(name, names)]
    if unknown:
        raise ValueError(f"columns: there is no column {some([*map(repr, unknown)])} in {where}; "
                         f"there are {some([*map(repr, names)])}")
    doubled = [name for name in dict.fromkeys(wanted)
               if wanted.count(name) > 1 or name in doubled]
    if doubled:
        raise ValueError(f"columns: {some([*map(repr, doubled)])} is there twice")
    if not wanted:
        raise ValueError("source has no columns but that of sample_weight")
    return wanted


def _is_in(name, names):
    # 1 is True, and no name of a column that is called so
    return any(type(name) is type(other) and name == other for other in names) or (
        not isinstance(name, (bool, str)) and name in names)


def _positions(columns, n_columns):
    texts = [column for column in columns if isinstance(column, str)]
    if texts:
        raise ValueError(f"columns: there is no column {some([*map(repr, texts)])}: the columns of "
                         "source have no names, but positions, from 0")
    wanted = [_inputs.whole(column, "an entry of columns", least=0) for column in columns]
    unknown = [j for j in wanted if j >= n_columns]
    if unknown:
        raise ValueError(f"columns: there is no column {some([*map(str, unknown)])} in source, "
                         f"which has {n_columns}: 0 .. {n_columns - 1}")
    doubled = [j for j in dict.fromkeys(wanted) if wanted.count(j) > 1]
    if doubled:
        raise ValueError(f"columns: {some([*map(str, doubled)])} is there twice")
    return wanted


def pick(table, columns, weight_name=None):
    """Some columns of a table, a table of its kind, and the one of weights; (table, None) where
    there is nothing to choose."""
    table = as_known(table)
    if columns is None and weight_name is None:
        return table, None
    names = names_in(table)
    if names is None and not hasattr(table, "shape"):
        table = _inputs.as_rows(table)
    if names is None and np.ndim(table) != 2:
        raise ValueError(f"X must be a 2-d table, got {np.ndim(table)} dimension(s)")
    wanted = check_chosen(columns, names, weight_name, table.shape[1])
    return taken(table, wanted), None if weight_name is None else column_of(table, weight_name)


def taken(table, wanted):
    """Columns that were checked."""
    if wanted is None:
        return table
    if isinstance(table, Rows):
        places = None if table.names is None else [table.names.index(name) for name in wanted]
        return table.take(columns=np.array(wanted if places is None else places))
    if isinstance(table, _inputs.NamedTable):
        at = [table.names.index(name) for name in wanted]
        return _inputs.NamedTable(table.X[:, at], tuple(wanted))
    if names_in(table) is None:
        return table[:, wanted]
    return table.select(wanted) if hasattr(table, "select") else table[wanted]


def column_of(table, name):
    """A column by name."""
    if isinstance(table, (Rows, _inputs.NamedTable)):
        return table.X[:, table.names.index(name)]
    return table.column(name) if hasattr(table, "column") else table[name]
