"""Files of any estimator."""

import importlib

from emkernels.models import persistence

# every estimator, and the module that has it
ESTIMATORS = {
    "CategoricalHMM": "emkernels.models.chains",
    "FactorAnalysis": "emkernels.models.factors",
    "GaussianHMM": "emkernels.models.chains",
    "GaussianImputer": "emkernels.models.imputation",
    "GaussianMixture": "emkernels.models.mixture",
    "GaussianMixtureImputer": "emkernels.models.imputation",
    "KMeans": "emkernels.models.kmeans",
    "LatentClassAnalysis": "emkernels.models.classes",
    "MixtureHMM": "emkernels.models.chains",
    "MixtureOfFactorAnalyzers": "emkernels.models.factors",
    "StudentTMixture": "emkernels.models.student",
}


def load(path):
    """The fitted estimator that a file is of, whichever it is.

    Every estimator has ``save(path)``; all files are of one format, without pickle. Reading a file
    runs no code of it and takes no more memory than a few times its size; what it says is checked,
    so that files of strangers do no harm but that of their numbers.

    Parameters
    ----------
    path : str or path-like
        A file that `save` of some estimator wrote.

    Returns
    -------
    estimator
        Of the class that was saved. It predicts, scores and draws with the same bits, and a stream
        of `partial_fit` goes on with them.

    Raises
    ------
    ValueError
        A damaged or foreign file, or one of a later version; the message names it and says what is
        wrong.
    OSError
        There is no such file, or it cannot be opened.

    See Also
    --------
    GaussianMixture.save : Writes a file, as that of every estimator.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> import emkernels
    >>> X = np.array([[1.0, 2.0], [1.0, 4.0], [10.0, 2.0], [10.0, 4.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.emk")
    ...     emkernels.KMeans(2, random_state=0).fit(X).save(path)
    ...     model = emkernels.load(path)
    >>> model.predict([[0.0, 3.0], [12.0, 3.0]]) == model.predict([[1.0, 3.0], [9.0, 3.0]])
    array([ True,  True])
    """
    header, arrays, problem = persistence.read(path)
    kind = header.get("format")
    name = kind.removeprefix("emkernels.") if isinstance(kind, str) else ""
    if name not in ESTIMATORS or kind != f"emkernels.{name}":
        raise ValueError(f"{problem}: it holds " + (
            kind[:80] if isinstance(kind, str) else "nothing of it"))
    cls = getattr(importlib.import_module(ESTIMATORS[name]), name)
    return persistence.restored(cls, header, arrays, path, problem)
