"""Where EM begins for mixtures of Student t: starts that outliers do not rule."""

import numpy as np

from emkernels.components.gaussian.density import GaussianComponents
from emkernels.components.student import StudentComponents, Students
from emkernels.em import DegenerateFitError, run_em
from emkernels.kernels import passes
from emkernels.latent.mixture import Mixture, MixtureParameters
from emkernels.starts.mixture import Given, start_parameters
from emkernels.starts.sampled import START_ROWS, draw_rows

# Shares of the rows, those farthest out, without which starts are made too; steps after which
# starts are compared, and those of the component that says what is far out.
TRIMMED = (0.05, 0.2)
STEPS, STEPS_OF_ALL = 10, 20


def student_start(rows, components, dfs, kind, random_state, given, is_degenerate):
    """Parameters that a start of a mixture of Student t begins with.

    K-means takes far outliers for clusters, and EM does not come back from there. So starts are
    also made of the rows without those farthest out, as one Cauchy component of all rows sees
    them, and of all of these the likeliest after a few steps is taken, on at most 20,000 rows.

    Parameters
    ----------
    rows : Rows
    components : StudentComponents
    dfs : ndarray of shape (n_components,)
        Degrees of freedom to begin with.
    kind : {'kmeans', 'k-means++', 'random', 'random_from_data'}
    random_state : numpy.random.RandomState
    given : Given
        What is given stays as it is in the start.
    is_degenerate : callable
        As for :func:`emkernels.em.run_em`.

    Returns
    -------
    MixtureParameters
    """
    structure, n_components = components.structure, len(dfs)

    def begin(part):
        p = start_parameters(part, Mixture(GaussianComponents(structure)), n_components, kind,
                             random_state, given)
        return MixtureParameters(p.weights, Students(
            structure, p.means, p.covariances, p.precisions_cholesky, dfs))

    if n_components == 1 or given.means is not None or kind == "random":
        return begin(rows)
    if len(rows) > START_ROWS:
        drawn, weight = draw_rows(rows, random_state, n_components)
        rows = rows.take(drawn).with_(sample_weight=weight)
    starts, failure = [], None
    for part in (rows, *_without_outliers(rows, structure, n_components)):
        try:
            starts.append(begin(part))
        except DegenerateFitError as error:
            failure = error
    if not starts:
        raise failure
    best, top = starts[0], None
    for start in starts if len(starts) > 1 else ():
        try:
            result = run_em(Mixture(components), rows, lambda i, start=start: start,
                            max_iter=STEPS, tol=0.0)
        except DegenerateFitError:
            continue
        if result.interrupted:
            raise KeyboardInterrupt
        rank = not is_degenerate(result.parameters), result.lower_bound
        if top is None or rank > top:
            best, top = start, rank
    return best


def _without_outliers(rows, structure, n_components):
    """The rows without shares of them, from the outside."""
    alone = StudentComponents(structure, np.ones(1))
    try:
        p = start_parameters(rows, Mixture(GaussianComponents(structure)), 1, "kmeans",
                             np.random.RandomState(0), Given())
        first = MixtureParameters(p.weights, Students(
            structure, p.means, p.covariances, p.precisions_cholesky, alone.dfs))
        p = run_em(Mixture(alone), rows, lambda i: first, max_iter=STEPS_OF_ALL, tol=0.0).parameters
    except DegenerateFitError:
        return
    pull = passes.student_rows(
        rows.X, p.weights, p.means, p.precisions_cholesky, p.dfs, structure.kernel, rows.patterns,
        ("pull",), n_threads=rows.n_threads)["pull"]
    for share in TRIMMED:
        kept = pull > np.quantile(pull, share)
        if np.count_nonzero(kept) >= 2 * n_components:
            yield rows.take(kept)
