"""Rows that a model makes, in the container that `set_output` asks for."""

import numpy as np
from sklearn.utils._set_output import _get_output_config

from emkernels._extras import optional
from emkernels.data import checks

_KINDS = ("default", "pandas", "polars")


class FrameOutput:
    """`set_output` of a model that is no transformer, to be inherited from."""

    def set_output(self, *, transform=None):
        """Choose what `impute` and `sample` give: arrays or data frames.

        Labels, probabilities and densities stay arrays. scikit-learn's global
        ``set_config(transform_output=...)`` counts where nothing is chosen here.

        Parameters
        ----------
        transform : {'default', 'pandas', 'polars'}, optional
            'default': arrays. A frame has the names of the columns of the fit (x0, x1, ... where
            it saw none); one of pandas has the index of X. None: as it was.

        Returns
        -------
        self
            The model itself.

        Raises
        ------
        ValueError
            No such container.

        See Also
        --------
        sklearn.set_config : The same for all estimators.

        Examples
        --------
        >>> import numpy as np
        >>> import pandas as pd
        >>> from emkernels import GaussianMixture
        >>> X = pd.DataFrame({"a": [1.0, 2.0, 4.0, np.nan], "b": [2.0, 3.0, 5.0, 7.0]},
        ...                  index=list("wxyz"))
        >>> model = GaussianMixture(random_state=0).set_output(transform="pandas").fit(X)
        >>> model.impute(X).round(2).loc["z"].tolist()
        [6.0, 7.0]
        >>> model.sample(2)[0].columns.tolist()
        ['a', 'b']
        """
        if transform is None:
            return self
        if not isinstance(transform, str) or transform not in _KINDS:
            raise ValueError(f"transform must be one of {', '.join(_KINDS)}, got {transform!r}")
        # another dict: a copy of the model keeps its own
        self._sklearn_output_config = {"transform": transform}
        return self


def kind_of(model):
    """'default', 'pandas' or 'polars'."""
    return _get_output_config("transform", model)["dense"]


def plain(model):
    """The model as one that gives arrays, whatever was chosen."""
    if kind_of(model) == "default":
        return model
    # what copy.copy does, without the hooks of pickling
    out = object.__new__(type(model))
    vars(out).update(vars(model), _sklearn_output_config={"transform": "default"})
    return out


def framed(model, values, X=None, *, names=None, columns=None):
    """Rows of a model in the container that it was told to give.

    Parameters
    ----------
    model : fitted estimator
    values : ndarray of shape (n_samples, n_features)
    X : what the rows were made of, optional
        For its index.
    names : sequence of str, optional
        Of the columns; else those of the fit.
    columns : callable, optional
        ``columns(library, kind, names)``: columns with types of their own, where the array has
        none of them.
    """
    kind = kind_of(model)
    if kind == "default":
        return values
    if names is None:
        names = checks.names_of_fit(model) or [f"x{j}" for j in range(values.shape[1])]
    names = list(map(str, names))
    library = optional(kind, f"set_output(transform={kind!r})", "frames")
    own = None if columns is None else columns(library, kind, names)
    if kind == "polars":
        if own is not None:
            return library.DataFrame(own)
        return library.DataFrame(np.ascontiguousarray(values), schema=names, orient="row")
    index = checks.index_of(X) if X is not None else None
    if index is not None and len(index) != len(values):
        index = None        # of rows of which some were left out
    if own is not None:
        frame = library.DataFrame(dict(enumerate(own)))
        frame.columns = names
        if index is not None:
            frame.index = index
        return frame
    return library.DataFrame(values, index=index, columns=names)
