"""What rows and columns are called."""

from dataclasses import dataclass

import numpy as np

from emkernels import _inputs


@dataclass(frozen=True)
class Labels:
    """What rows and columns are called, see :class:`Rows`."""

    names: tuple | None = None
    places: tuple | None = None
    feature_names: np.ndarray | None = None
    index: object = None

    def of(self, rows, columns):
        """Of some rows and, unless None, some columns."""
        columns = slice(None) if columns is None else columns
        texts = [None if each is None else tuple(np.array(each, object)[columns])
                 for each in (self.names, self.places)]
        return Labels(*texts, None if self.feature_names is None else self.feature_names[columns],
                      None if self.index is None else self.index[rows])


NOTHING = Labels()


class Labelled(_inputs.Named):
    """What has `n_features` columns that its `labels` name."""

    @property
    def names(self):
        """Names of the columns, a tuple of str, where all are texts; else None."""
        return self.labels.names

    @property
    def places(self):
        """What messages call the column of a cell, a tuple of str or None."""
        return self.labels.places

    @property
    def feature_names(self):
        """Names of the columns as scikit-learn has them, an ndarray of str or None."""
        return self.labels.feature_names

    @property
    def titles(self):
        """What results call the columns: as they are named, else x0, x1, ..."""
        if self.places is None:
            return tuple(f"x{j}" for j in range(self.n_features))
        return self.places

    @property
    def column_names(self):
        """How messages call the columns: by name, else by position."""
        if self.names is None:
            return [str(i) for i in range(self.n_features)]
        return [repr(name) for name in self.names]
