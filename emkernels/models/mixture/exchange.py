"""Mixtures of given parameters, and mixtures of scikit-learn."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs
from emkernels._callers import warn
from emkernels._words import some
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.statistics import SufficientStatistics
from emkernels.components.gaussian.structures import LETTERED, structure_of
from emkernels.data.checks import check_numbers_finite, numbers
from emkernels.em import EMWarning
from emkernels.latent.mixture import MixtureParameters
from emkernels.models.exchange import check_sklearn, names_between, shared_parameters

# relative to the deviations
SYMMETRIC, IN_FAMILY, NORMALISED = 1e-6, 1e-6, 1e-6
_FITTED = ("converged_", "n_iter_", "lower_bound_")
_PARTS = ("weights_", "means_", "covariances_", "precisions_cholesky_", "precisions_")


class Exchange:
    """What makes mixtures of parameters, to be inherited from."""

    @classmethod
    def from_parameters(cls, weights, means, covariances, covariance_type="full", **parameters):
        """A mixture of given weights, means and covariances, as if it had been fitted.

        It predicts, scores, draws, imputes and is saved as any other. What only a fit has, as
        `n_iter_`, `converged_` and `lower_bound_`, it has not. `partial_fit` goes on from it.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Not negative; they add up to one within 1e-6, and are kept as they are.
        means : array-like of shape (n_components, n_features)
            A data frame gives the columns their names, which frames of `covariances` must have.
        covariances : array-like
            As `covariances_` of that type: (n_components, n_features, n_features) for 'full' and
            the types of three letters, (n_features, n_features) for 'tied', (n_components,
            n_features) for 'diag', (n_components,) for 'spherical'.
        covariance_type : str, default='full'
            One of the types of the class. Covariances of a type of three letters must be of its
            family.
        **parameters
            Others of the constructor, such as `random_state`.

        Returns
        -------
        GaussianMixture

        Raises
        ------
        ValueError
            Shapes that do not fit together, NaN, weights that do not add up to one, a covariance
            that is not symmetric, not positive definite or not of its family; the argument and the
            component are named.

        See Also
        --------
        from_sklearn : Of a mixture of scikit-learn.

        Examples
        --------
        >>> from emkernels import GaussianMixture
        >>> mixture = GaussianMixture.from_parameters(
        ...     [0.5, 0.5], [[0.0], [4.0]], [1.0, 1.0], "spherical", random_state=0)
        >>> mixture.predict([[0.1], [3.0]])
        array([0, 1])
        >>> mixture.predict_proba([[2.0]])
        array([[0.5, 0.5]])
        """
        model = cls(covariance_type=covariance_type, **parameters)
        names = _inputs.names_of(means) if hasattr(means, "columns") else None
        for part in covariances if isinstance(covariances, (list, tuple)) else [covariances]:
            if hasattr(part, "columns"):
                _inputs.check_names(part, names, "covariances", "means")
        weights, means, covariances = (numbers(values, name) for values, name in (
            (weights, "weights"), (means, "means"), (covariances, "covariances")))
        structure = structure_of(covariance_type)
        if means.ndim != 2 or not means.size:
            raise ValueError("means must have shape (n_components, n_features), none of them 0, "
                             f"got {means.shape}")
        if weights.shape != means.shape[:1]:
            raise ValueError(f"weights must have shape ({len(means)},), one for each row of means, "
                             f"got {weights.shape}")
        if parameters.get("n_components", len(means)) != len(means):
            raise ValueError(f"n_components={parameters['n_components']!r}, and there are "
                             f"{len(means)} rows of means")
        shape = structure.outer_shape(*means.shape)
        if covariances.shape != shape:
            raise ValueError(f"covariances of covariance_type={covariance_type!r} must have shape "
                             f"{shape}, got {covariances.shape}")
        for values, name in ((weights, "weights"), (means, "means"), (covariances, "covariances")):
            check_numbers_finite(values, name)
        if (weights < 0).any() or abs(weights.sum() - 1) > NORMALISED:
            raise ValueError("weights must not be negative and add up to one, got "
                             f"{weights.min():.6g} and a sum of {weights.sum():.9g}")
        inner = np.ascontiguousarray(structure.inner(covariances))
        _check_covariances(structure, covariances, inner, means.shape)
        model.set_params(n_components=len(means))
        model._validate_params()
        gaussians = Gaussians(structure, means, inner, structure.factors(inner))
        model._set_parameters(MixtureParameters(weights, gaussians))
        model.n_features_in_ = means.shape[1]
        if names is not None:
            model.feature_names_in_ = np.array(names, dtype=object)
        return model

    @classmethod
    def from_sklearn(cls, mixture):
        """A mixture that was fitted by scikit-learn.

        Parameters
        ----------
        mixture : sklearn.mixture.GaussianMixture
            Fitted.

        Returns
        -------
        GaussianMixture
            With its parameters, its names of columns and what it says of its fit; it predicts and
            scores the same up to rounding, and takes rows with missing values.

        Raises
        ------
        TypeError
            Something else, a :class:`sklearn.mixture.BayesianGaussianMixture` included, whose
            predictions are not those of one mixture.
        ValueError
            Its parameters are not those of a mixture.
        sklearn.exceptions.NotFittedError

        See Also
        --------
        to_sklearn : The inverse.
        """
        from sklearn.mixture import GaussianMixture

        check_sklearn(mixture, GaussianMixture)
        model = cls.from_parameters(
            mixture.weights_, mixture.means_, mixture.covariances_, mixture.covariance_type,
            **{name: value for name, value in shared_parameters(mixture, cls()).items()
               if name not in ("n_components", "covariance_type")})
        # its own factors, which may be rounded otherwise, where it was fitted and not put together
        # by hand
        if all(name in vars(mixture) for name in _PARTS[3:]):
            for name in _PARTS[3:]:
                setattr(model, name, np.array(getattr(mixture, name)))
        names_between(mixture, model)
        for name in _FITTED:
            if name in vars(mixture):
                setattr(model, name, vars(mixture)[name])
        return model

    def to_sklearn(self):
        """The same mixture as one of scikit-learn.

        It is for tools that know that one, as those of ONNX.

        Returns
        -------
        sklearn.mixture.GaussianMixture
            Fitted, in float64: `predict`, `predict_proba`, `score_samples` and `score` agree to
            rounding. Rows with missing values are refused by it.

        Raises
        ------
        ValueError
            A mixture with noise, or of a covariance type of three letters, which scikit-learn has
            not.
        sklearn.exceptions.NotFittedError

        Warns
        -----
        EMWarning
            Parameters that are set and that scikit-learn does not have: a fit of the mixture
            there would be another one.

        See Also
        --------
        from_sklearn : The inverse.

        Examples
        --------
        >>> import numpy as np
        >>> from emkernels import GaussianMixture
        >>> X = np.array([[0.0], [0.2], [0.4], [5.0], [5.2], [5.4]])
        >>> GaussianMixture(2, random_state=0).fit(X).to_sklearn().predict([[0.1], [4.0]])
        array([1, 0])
        """
        from sklearn.mixture import GaussianMixture

        check_is_fitted(self)
        if self._noise is not None:
            raise ValueError("scikit-learn's mixture has no noise component: fit with noise=None")
        if self._type in LETTERED:
            raise ValueError(
                f"scikit-learn's mixture has no covariance_type {self._type!r}; the same mixture "
                "as one of type 'full' is GaussianMixture.from_parameters(weights_, means_, "
                "covariances_)")
        given = shared_parameters(self, GaussianMixture())
        lost = sorted(name for name, value in self.get_params(deep=False).items()
                      if name not in given and _is_set(value, getattr(type(self)(), name))
                      and name not in ("n_threads", "callback"))
        given.update(n_components=len(self.means_), covariance_type=self._type)
        model = GaussianMixture(**given)
        for name in _PARTS:
            setattr(model, name, np.array(getattr(self, name), np.float64))
        names_between(self, model)
        for name in _FITTED:
            if name in vars(self):
                setattr(model, name, vars(self)[name])
        if lost:
            warn(f"scikit-learn's mixture has no {some(lost)}: it predicts the same, but a fit of "
                 "it would be another one", EMWarning)
        return model


def _is_set(value, default):
    return not (value is default or (isinstance(value, (bool, int, float, str, tuple))
                                     and value == default))


def _check_covariances(structure, covariances, inner, shape):
    """ValueError where these, as given and as the structure keeps them, are not symmetric, positive
    definite and of their family."""
    n_components, n_features = shape
    # what was given: a family keeps the diagonal alone, or one matrix, of matrices
    full = covariances if covariances.ndim == 3 else np.array(
        [structure.matrix(inner, k, n_features) for k in range(n_components)])
    for k, covariance in enumerate(full):
        diagonal = np.diagonal(covariance)
        deviations = np.sqrt(np.abs(diagonal))
        if not (np.abs(covariance - covariance.T)
                <= SYMMETRIC * np.outer(deviations, deviations)).all():
            raise ValueError(f"covariances: that of component {k} is not symmetric")
        scaled = covariance / np.outer(deviations, deviations) if (diagonal > 0).all() else None
        if scaled is None or np.linalg.eigvalsh(scaled)[0] <= n_features * np.finfo(float).eps:
            raise ValueError(f"covariances: that of component {k} is not positive definite")
    # the M-step leaves what is of the family as it is
    counts = np.full(n_components, 1 / n_components)
    statistics = SufficientStatistics.trusted(
        structure.kernel, np.zeros(shape), counts, np.zeros(shape),
        np.array(structure.second_of(counts[:, None, None] * full)), 0.0)
    again = structure.covariances(statistics, counts, np.zeros(shape))
    for k in range(n_components):
        deviations = np.sqrt(np.diagonal(full[k]))
        off = np.abs(structure.matrix(again, k, n_features) - full[k])
        if not (off <= IN_FAMILY * np.outer(deviations, deviations)).all():
            raise ValueError(f"covariances: that of component {k} is not of the family of "
                             f"covariance_type={structure.name!r}")
