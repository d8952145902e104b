"""What a fitted Gaussian mixture can do, and what it keeps of its fit."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils.validation import check_is_fitted

from emkernels import _inputs, kernels
from emkernels.components.gaussian.degenerate import Examination
from emkernels.components.gaussian.parameters import Gaussians
from emkernels.components.gaussian.structures import structure_of
from emkernels.components.uniform import Uniform
from emkernels.data import Rows
from emkernels.kernels import passes
from emkernels.latent.mixture import MixtureParameters, log_noise
from emkernels.latent.standardised import Standardised
from emkernels.latent.stream import Stream
from emkernels.models._state import Stateful
from emkernels.models.encoding import count, number
from emkernels.models.loaded import check_mixture, check_stream, check_values
from emkernels.models.mixture import conditional
from emkernels.models.mixture.exchange import Exchange
from emkernels.models.mixture.options import check_rows
from emkernels.models.mixture.persistence import build_version_1
from emkernels.models.mixture.preparing import prepare
from emkernels.models.mixtures import MixtureMethods


class FittedMixture(Exchange, MixtureMethods, Stateful, DensityMixin, BaseEstimator):
    """The part of :class:`emkernels.GaussianMixture` that does not fit."""

    # --- parameters --------------------------------------------------------------------

    def _parameters(self):
        weights, means, covariances, factors = (
            _inputs.float64(p) for p in (
                self.weights_, self.means_, self.covariances_, self.precisions_cholesky_))
        structure = self._structure
        return MixtureParameters(weights, Gaussians(
            structure, means, structure.inner(covariances), structure.inner(factors)), self._noise)

    def _set_parameters(self, parameters, dtype=np.float64, fixed=()):
        """What was fitted, and what of it was fixed."""
        structure, shape = parameters.structure, parameters.means.shape
        factors, covariances, precisions = (
            structure.outer(each, *shape) for each in (
                parameters.precisions_cholesky, parameters.covariances,
                structure.precisions(parameters.precisions_cholesky)))
        if not np.abs(precisions).max() < np.finfo(dtype).max:
            dtype = np.float64      # tiny float32 data: its precisions need the range
        self._fitted_type, self._fitted_fixed = structure.name, frozenset(fixed)
        vars(self).pop("_stream", None)     # statistics of others
        self.weights_ = parameters.weights.astype(dtype)
        self.means_ = parameters.means.astype(dtype)
        self.covariances_ = covariances.astype(dtype)
        self.precisions_cholesky_ = factors.astype(dtype)
        self.precisions_ = precisions.astype(dtype)
        for name in ("noise_box_", "noise_log_density_"):
            vars(self).pop(name, None)
        if parameters.noise is not None:
            self.noise_box_ = parameters.noise.box
            self.noise_log_density_ = float(parameters.noise.log_density)

    def _remember_labels(self, classes):
        if classes is not None:
            self.classes_ = classes
        elif "classes_" in vars(self):
            del self.classes_

    def _remember_examination(self, found):
        self._examination = found
        self.degenerate_components_ = np.array(sorted(found.spikes), dtype=np.int64)

    # of the fit; of parameters put in by hand, as they are set

    @property
    def _type(self):
        return vars(self).get("_fitted_type", self.covariance_type)

    @property
    def _fixed(self):
        return vars(self).get("_fitted_fixed", self.fixed)

    @property
    def _noise(self):
        """The uniform component, None where there is none."""
        if "noise_box_" not in vars(self):
            return None
        return Uniform(self.noise_box_, self.noise_log_density_)

    @property
    def _structure(self):
        return structure_of(self._type)

    def _n_parameters(self):
        k, n_features = self.means_.shape
        counts = {"covariances": self._structure.n_parameters(k, n_features),
                  "means": k * n_features, "weights": len(self.weights_) - 1,
                  "volume": int(self._noise is not None)}
        return sum(n for name, n in counts.items() if name not in self._fixed)

    # --- rows --------------------------------------------------------------------------

    def _each(self, rows, *want, parameters=None):
        """Outputs of the E-step for each row, under other parameters on request."""
        p = self._parameters() if parameters is None else parameters
        model = p.own_weights, p.means, p.precisions_cholesky, p.structure.kernel
        noise = log_noise(p, rows)
        if rows.patterns is not None:
            out = passes.incomplete_rows(
                rows.X, *model, rows.patterns, want, noise=noise, n_threads=self.n_threads)
            return out[want[0]] if len(want) == 1 else [out[name] for name in want]
        if noise is not None:
            out = passes.complete_rows(
                rows.X, *model, want, noise=noise, n_threads=self.n_threads)
        else:
            out = kernels.e_step(
                rows.X, *model, want=want, n_threads=self.n_threads, check_finite=False)
        return out[0] if len(want) == 1 else out

    def _read(self, X):
        """Rows of the columns of the fit."""
        return Rows.read(X, self, fitted=True)

    def _imputed(self, rows):
        known = self._each(rows, "imputed", parameters=self._parameters().without_noise())
        if self._noise is None:
            return known
        share = self._each(rows, "resp")[:, -1:]
        known = (1 - share) * np.where(share < 1, known, 0) + share * self._noise.centre
        return np.where(np.isnan(rows.X), known, rows.X).astype(rows.dtype, copy=False)

    def _draw(self, component, n, rng):
        if component < 0:
            return self._noise.sample(n, rng)
        structure, mean = self._structure, self.means_[component]
        covariances = structure.inner(self.covariances_)
        if structure.diagonal:
            normal = rng.standard_normal(size=(n, len(mean)))
            return mean + normal * np.sqrt(covariances[component])
        return rng.multivariate_normal(
            mean, structure.matrix(covariances, component, len(mean)), n)

    # --- mixtures of some columns --------------------------------------------------------

    def marginal(self, columns):
        """The mixture of some columns.

        Parameters
        ----------
        columns : sequence of int or str
            Which columns, in the order wanted; names where the fit saw names.

        Returns
        -------
        GaussianMixture
            Of the covariance type of the fit; but columns of EVI are VVI, and of EVE, VVE, EEV,
            VEV and EVV they are VVV.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Columns that the fit does not have, or twice the same.
        """
        check_is_fitted(self)
        return conditional.marginal(self, columns)

    def condition(self, columns, values):
        """The mixture of the other columns, given values of some.

        Weights are the posterior probabilities given the values; means and covariances are
        the conditional ones of each component.

        Parameters
        ----------
        columns : sequence of int or str
            Positions, or names where there are some.
        values : array-like of shape (len(columns),)
            A series whose index are names must have those of the columns, in their order.

        Returns
        -------
        GaussianMixture
            Of covariance type 'full' where the fitted one is 'full' or 'tied'. Of the types of
            three letters EII, VII, EEI, VEI, VVI, EEE, VEE and VVV stay what they are; EVI becomes
            VVI, the others VVV.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Columns that the fit does not have, or twice the same; values that are no numbers.

        References
        ----------
        C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equations 2.81, 2.82.
        """
        check_is_fitted(self)
        return conditional.condition(self, columns, values)

    def regress(self, columns, X):
        """Mean and covariance of the other columns given some, for many rows.

        Parameters
        ----------
        columns : sequence of int or str
            The columns that X holds.
        X : array-like of shape (n_samples, len(columns))
            NaN is a missing value: a row goes by what it has of the columns. A data frame must
            have the names of the columns, in their order.

        Returns
        -------
        mean : ndarray of shape (n_samples, n_others)
            In the units of the other columns.
        covariance : ndarray of shape (n_samples, n_others, n_others)
            Of the conditional mixture, between components included.

        Raises
        ------
        NotFittedError
            Before a fit.
        ValueError, TypeError
            Bad rows, or other columns than those of the fit; the cell or the column is named.
        """
        check_is_fitted(self)
        return conditional.regress(self, columns, X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    # --- files ---------------------------------------------------------------------------

    _kept = ("_fitted_type", "_fitted_fixed", "_fitted_weight", "_fitted_rows", "_examination",
             "_stream")
    _older_formats: dict = {1: build_version_1}

    def _check_loaded(self):
        fixed, known = self._fixed, vars(self)
        if not isinstance(self.means_, np.ndarray) or self.means_.ndim != 2:
            raise ValueError("means_ is no table of means")
        n_components, n_features = self.means_.shape
        shape = self._structure.outer_shape(n_components, n_features)
        check_values(self, shapes={
            "weights_": (n_components + ("noise_box_" in known),), "means_": self.means_.shape,
            **dict.fromkeys(("covariances_", "precisions_cholesky_", "precisions_"), shape)})
        if self.n_features_in_ != n_features:
            raise ValueError("n_features_in_ is not that of means_")
        if not set(fixed) <= {"weights", "means", "covariances"}:
            raise ValueError("it has something fixed that it has not")
        if self._noise is not None:
            check_values(self, shapes={"noise_box_": (2, n_features)})
        parameters = self._parameters()
        check_mixture(parameters, n_features, self.means_.dtype)
        precisions = self._structure.precisions(parameters.precisions_cholesky)
        own = self._structure.inner(self.precisions_)
        if not np.abs(own - precisions).max() <= 1e-3 * np.abs(precisions).max():
            raise ValueError("precisions_ are not those of precisions_cholesky_")
        for name in ("covariances_", "precisions_cholesky_", "precisions_"):
            seen = known[name]      # what a family does not keep is shown, and not used
            kept = self._structure.outer(self._structure.inner(seen), n_components, n_features)
            if not np.array_equal(kept, seen):
                raise ValueError(f"{name} are not of the family {self._structure.name}")
        for name in ("_fitted_weight", "_fitted_rows"):
            value = known.get(name)
            if value is not None and not (number(value) and value >= 0):
                raise ValueError(f"{name} is no weight")
        classes = known.get("classes_", np.empty(n_components))
        if not isinstance(classes, np.ndarray) or classes.ndim != 1 or (
                len(classes) > n_components):
            raise ValueError("classes_ are not those of its components")
        self._check_examination(known, n_components, n_features)
        if "_stream" in known:
            if not isinstance(self._stream, Stream) or "lower_bounds_" not in known or isinstance(
                    self._stream.model, Standardised):
                raise ValueError("its stream is none")
            check_stream(self._stream, self._type, n_components, n_features,
                         noise=self._noise is not None)

    def _check_examination(self, known, n_components, n_features):
        """ValueError where what is wrong with components is said of others."""
        dead = known.get("degenerate_components_", np.zeros(0, np.int64))
        found = known.get("_examination", Examination())
        if not isinstance(found, Examination) or not isinstance(dead, np.ndarray) or (
                dead.dtype != np.int64 or dead.ndim != 1):
            raise ValueError("degenerate_components_ are no components")
        of_components = [*dead, *found.spikes, *found.deviations, *found.dead,
                         *(k for pair in found.twins for k in pair)]
        of_columns = [*found.drowned, *found.constant,
                      *(j for columns in found.spikes.values() for j in columns)]
        for values, n in ((of_components, n_components), (of_columns, n_features)):
            if not all(count(value) and value < n for value in values):
                raise ValueError("degenerate_components_ are none of its components")
        if not all(map(number, found.deviations.values())) or (
                np.shape(found.reg_covar) not in ((), (n_features,))):
            raise ValueError("it says of components what cannot be")


# --- for those who go on from a fit ---------------------------------------------------------


def fitted_type(model):
    """The covariance type of the fit of a mixture, also of scikit-learn's; set_params may have
    changed the parameter since."""
    return getattr(model, "_fitted_type", model.covariance_type)


def parameters_of(model):
    """The :class:`MixtureParameters` of a fitted mixture, in float64."""
    return model._parameters()


def responsibilities_of(model, rows):
    """Posterior probabilities of the components for rows that were read."""
    return model._each(rows, "resp")


def labels_of(model, rows):
    """Most probable components, int32, of rows that were read."""
    return model._each(rows, "labels")


def examination_of(model):
    """What is wrong with the components, an :class:`Examination`."""
    return model._examination


def put(model, parameters, dtype, found):
    """Give a fitted mixture other parameters, and what is wrong with them."""
    model._set_parameters(parameters, dtype, fixed=model._fixed)
    model._remember_examination(found)


def reorder(model, order):
    """Component i becomes the one that was ``order[i]``, in all that is fitted."""
    vars(model).pop("_stream", None)
    model.means_ = model.means_[order]
    model.weights_ = np.append(model.weights_[order], model.weights_[len(order):])   # noise
    structure, shape = model._structure, model.means_.shape
    for name in ("covariances_", "precisions_", "precisions_cholesky_"):
        values = structure.reordered(structure.inner(getattr(model, name)), order)
        setattr(model, name, structure.outer(values, *shape))
    model._remember_examination(model._examination.reordered(order))


def renamed(model, covariance_type):
    """The same fit as one of another covariance type of three letters, which is the same where
    there are so many components and columns."""
    out = copy.copy(model)
    vars(out).pop("_stream", None)
    out.covariance_type = out._fitted_type = covariance_type
    return out


def check_fit(model, rows, sample_weight):
    """Every error that a fit to these rows would begin with."""
    check_rows(model, rows)
    prepare(model, rows.weighed(sample_weight, rows.largest), False)


def fit_with_spikes(model, X, *, sample_weight=None, labels=None):
    """Fit where a component on one value is as good as any: no start is worse for it."""
    model._fit(X, sample_weight, labels, avoid_spikes=False)
    return model
