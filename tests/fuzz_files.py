"""Cases of files of models with something changed in them: refused, or a model that works."""

import functools
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from fuzz_cases import COUNTS, TYPES, Finding, unheard
from fuzz_mutations import mutated, mutated_archive

import emkernels

SLOW = 10       # seconds for one file of some kB


@functools.cache
def fitted():
    """One of every estimator that is saved, and its file."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    gaps = np.where(rng.random(X.shape) < 0.1, np.nan, X)
    answers = rng.integers(0, 3, X.shape).astype(float)
    quick = {"random_state": 0, "max_iter": 20}
    models = [
        *[(emkernels.GaussianMixture(2, covariance_type=t, **quick), X) for t in TYPES],
        (emkernels.GaussianMixture(2, noise=True, **quick), X),
        (emkernels.GaussianMixture(2, covariance_type="VEV", **quick), gaps),
        (emkernels.StudentTMixture(2, **quick), gaps),
        (emkernels.FactorAnalysis(1), gaps),
        (emkernels.MixtureOfFactorAnalyzers(2, 1, **quick), X),
        (emkernels.LatentClassAnalysis(2, n_init=2, **quick), answers),
        (emkernels.GaussianHMM(2, n_init=1, **quick), X),
        (emkernels.MixtureHMM(2, 2, n_init=1, **quick), X),
        (emkernels.CategoricalHMM(2, n_init=1, **quick), answers[:, :1].astype(int)),
        (emkernels.KMeans(2, random_state=0), X),
        (emkernels.GaussianImputer(), gaps),
        (emkernels.GaussianMixtureImputer(2, random_state=0), gaps),
    ]
    found = []
    folder = Path(tempfile.mkdtemp())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model, rows in models:
            if hasattr(model, "save"):
                path = folder / f"{len(found)}.model"
                model.fit(rows).save(path)
                found.append((model, rows, path.read_bytes()))
    return folder, found


def case(seed):
    folder, models = fitted()
    rng = np.random.default_rng(seed)
    original, rows, data = models[rng.integers(len(models))]
    name = type(original).__name__
    with unheard():         # of members that are there twice
        changed = mutated_archive(rng, data) if rng.random() < 0.7 else mutated(rng, data)
    path = folder / "changed.model"
    path.write_bytes(changed)
    begun = time.monotonic()
    with unheard():
        try:
            model = type(original).load(path)
        except ValueError as error:
            COUNTS[f"{name} refused"] += 1
            if not str(error) or len(str(error)) > 1000:
                raise Finding(f"{name}.load: a message of {len(str(error))} letters") from error
            return
        except Exception as error:
            raise Finding(f"{name}.load: {type(error).__name__}: {error!s:.150}") from error
        finally:
            if time.monotonic() - begun > SLOW:
                raise Finding(f"{name}.load: {time.monotonic() - begun:.0f} s")
        COUNTS[f"{name} loaded"] += 1
        use(name, model, rows)


def use(name, model, rows):
    """A model that was loaded answers, or says in words why it does not."""
    for method in ("predict_proba", "transform", "predict"):
        if not hasattr(model, method):
            continue
        try:
            answer = np.asarray(getattr(model, method)(rows))
        except (ValueError, TypeError):
            COUNTS[f"{name} loaded, {method} refused"] += 1
            return
        except Exception as error:
            raise Finding(f"{method} of a loaded {name}: {type(error).__name__}: "
                          f"{error!s:.150}") from error
        if answer.dtype.kind == "f" and np.isnan(answer).any():
            raise Finding(f"{method} of a loaded {name} gives NaN")
    repr(model)
