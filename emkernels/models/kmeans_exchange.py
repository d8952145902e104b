"""K-means of scikit-learn."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels._callers import warn
from emkernels.em import EMWarning
from emkernels.models.exchange import check_sklearn, names_between, shared_parameters


class KMeansExchange:
    """What K-means has for tools of scikit-learn, to be inherited from."""

    @classmethod
    def from_sklearn(cls, kmeans):
        """A K-means that was fitted by scikit-learn.

        Parameters
        ----------
        kmeans : sklearn.cluster.KMeans
            Fitted.

        Returns
        -------
        KMeans
            With its parameters, centres, labels and names of columns.

        Raises
        ------
        TypeError
            Something else: :class:`sklearn.cluster.BisectingKMeans` predicts by a tree.
        ValueError
            Its centres are none.
        sklearn.exceptions.NotFittedError

        See Also
        --------
        to_sklearn : The inverse.
        """
        from sklearn.cluster import KMeans

        check_sklearn(kmeans, KMeans)
        model = cls(**shared_parameters(kmeans, cls()))
        model.cluster_centers_ = np.array(kmeans.cluster_centers_, order="C")
        model.n_clusters = model._n_features_out = len(model.cluster_centers_)
        model.n_features_in_ = model.cluster_centers_.shape[1]
        if hasattr(kmeans, "labels_"):
            model.labels_ = np.array(kmeans.labels_, np.int32)
        model.inertia_, model.n_iter_ = float(kmeans.inertia_), int(kmeans.n_iter_)
        model.converged_ = model.n_iter_ < kmeans.max_iter
        names_between(kmeans, model)
        model._check_loaded()
        return model

    def to_sklearn(self):
        """The same clustering as one of scikit-learn.

        It is for tools that know that one, as those of ONNX.

        Returns
        -------
        sklearn.cluster.KMeans
            Fitted: `predict`, `transform` and `score` agree to rounding. `labels_` are there where
            they are here, after :meth:`fit`.

        Raises
        ------
        sklearn.exceptions.NotFittedError

        Warns
        -----
        EMWarning
            `random_state` is a Generator or `init` one that scikit-learn does not take: a fit there
            would begin otherwise.

        See Also
        --------
        from_sklearn : The inverse.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import KMeans
        >>> X = np.array([[0.0], [0.2], [5.0], [5.2]])
        >>> KMeans(2, random_state=0).fit(X).to_sklearn().predict([[0.1], [4.0]])
        array([1, 0], dtype=int32)
        """
        from sklearn.cluster import KMeans

        check_is_fitted(self)
        given = shared_parameters(self, KMeans())
        given["n_clusters"] = len(self.cluster_centers_)
        model = KMeans(**given)
        model.cluster_centers_ = self.cluster_centers_.copy()
        if "labels_" in vars(self):
            model.labels_ = self.labels_.copy()
        model.inertia_, model.n_iter_ = self.inertia_, self.n_iter_
        model._n_features_out = len(self.cluster_centers_)
        model._n_threads = 1    # of its predictions; a fit finds its own
        names_between(self, model)
        lost = [name for name in ("init", "random_state")
                if name not in given and getattr(self, name) is not None]
        if lost:
            warn(f"scikit-learn's K-means does not take this {' or '.join(lost)}: it predicts the "
                 "same, but a fit of it would begin otherwise", EMWarning)
        return model
