"""Fits on Spark and Ray, which run the same function of a block."""

import sys

import numpy as np
import pytest
from sklearn.base import clone

from emkernels import GaussianHMM, GaussianMixture, KMeans

pa = pytest.importorskip("pyarrow")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
MODELS = [GaussianMixture(2, random_state=0, max_iter=3, tol=0.0), KMeans(2, random_state=0)]


@pytest.fixture(scope="module")
def blocks():
    rng = np.random.default_rng(2)
    return [rng.normal(size=(n, 3)) + 4 * rng.integers(2, size=(n, 1))
            for n in (40, 20, 0, *rng.integers(5, 30, size=15))]


@pytest.fixture(scope="module")
def weights(blocks):
    return [np.random.default_rng(len(block)).random(len(block)) for block in blocks]


def check(here, there):
    for name in [name for name in vars(here) if name.endswith("_")]:
        np.testing.assert_array_equal(
            np.asarray(getattr(here, name)), np.asarray(getattr(there, name)), err_msg=name)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_ray(blocks, weights, model):
    ray = pytest.importorskip("ray")
    from emkernels.ray import fit
    ray.init(num_cpus=2, include_dashboard=False, ignore_reinit_error=True)
    held, held_weights = map(list, (map(ray.put, blocks), map(ray.put, weights)))
    check(clone(model).fit_chunks(blocks, sample_weight=weights),
          fit(clone(model), held, sample_weight=held_weights))
    poisoned = blocks[1].copy()
    poisoned[7, 1] = np.inf
    with pytest.raises(ValueError, match="block 1, row 7, column 1"):
        fit(clone(model), [held[0], ray.put(poisoned)])
    with pytest.raises(TypeError, match="sequences"):
        fit(GaussianHMM(2), held)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_spark(blocks, weights, model, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    sql = pytest.importorskip("pyspark.sql")
    from emkernels.spark import fit
    session = (sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", False)
               .config("spark.sql.shuffle.partitions", 2).getOrCreate())
    session.sparkContext.setLogLevel("OFF")
    tables = [np.column_stack([block, weight]).tolist() for block, weight in zip(blocks, weights)]
    rows = session.sparkContext.parallelize(tables, len(tables)).flatMap(list)
    frame = session.createDataFrame(rows, "a double, b double, c double, w double")
    assert frame.rdd.getNumPartitions() == len(blocks)
    there = fit(clone(model), frame, sample_weight="w")
    arrow = [pa.table(dict(zip("abc", block.T))) for block in blocks]
    check(clone(model).fit_chunks(arrow, sample_weight=weights), there)
    assert there.n_blocks_ == len(blocks) and list(there.feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(TypeError, match="sequences"):
        fit(GaussianHMM(2), frame)
