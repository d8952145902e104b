"""Files of models that are damaged, foreign or made to do harm: ValueError that names them."""

import json
import re
import tracemalloc
import zipfile
import zlib

import fuzz_bytes
import fuzz_files
import numpy as np
import pytest
from fuzz_cases import Finding
from saved_models import fitted

import emkernels
from emkernels import GaussianMixture, KMeans, SufficientStatistics
from emkernels.models.archives import read_archive, write_archive


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.emk"


def refused(path, words):
    with pytest.raises(ValueError, match=re.escape(str(path)) + ".* is not an estimator saved by "
                       f"emkernels, or it is damaged: .*{words}"):
        emkernels.load(path)


def written(name, path):
    fitted(name)[0].save(path)
    return read_archive(path)


def spoil(path, header, arrays, name, value):
    """The file with another array of that name in the state."""
    write_archive(path, header, {**arrays, header["state"][name]["array"]: value})


@pytest.mark.parametrize("mode", [fuzz_files, fuzz_bytes])
def test_a_few_hundred_mutations(mode):
    for number in range(300):       # `fuzz.py files`, or bytes, has more of them
        try:
            mode.case(number)
        except Finding as finding:
            pytest.fail(f"case {number}: {finding}")


def test_what_is_no_archive(path):
    for data in (b"", b"not a model", b"PK\3\4"):
        path.write_bytes(data)
        refused(path, "not a zip")
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    refused(path, "it holds one array")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        emkernels.load(path)
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        emkernels.load(path)


def test_members_are_not_inflated(path):
    fitted("K-means")[0].save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("array77.npy", bytes(300_000_000))
    assert path.stat().st_size < 2_000_000
    tracemalloc.start()
    refused(path, "members are larger than the file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
    fitted("K-means")[0].save(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("array77.npy", b"\0" * 99)
    refused(path, "array77.npy is compressed")


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/evil.npy", "a/b.npy", "header", "x.exe"])
def test_members_of_other_names(path, name):
    fitted("K-means")[0].save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"\x93NUMPY")
    refused(path, f"it has a member {re.escape(repr(name))}, which no such file has")


@pytest.mark.parametrize(("descr", "shape", "words"), [
    ("'<f8'", "(1000000000000,)", "another size than its shape"), ("'|O'", "(1,)", "no array of"),
    ("[('a', '<f8')]", "(1,)", "no array of"), ("'<f8'", "((((", "no array of"),
    ("'<f8'", "(-1,)", "no array of"), ("'<f3'", "(16,)", "")])
def test_heads_of_arrays(path, descr, shape, words):
    fitted("K-means")[0].save(path)
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("array77.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little")
                         + head + b"\0" * 48)
    refused(path, words)


def test_an_indicator_of_columns_that_no_array_accounts_for(path):
    header, arrays = written("imputer", path)
    header["state"]["indicator_"]["object"][1]["n_features"] = 30_000_000
    write_archive(path, header, arrays)
    tracemalloc.start()
    refused(path, "an indicator of columns that are not there")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_text_is_limited(path):
    """What JSON makes of a text takes thirty times as much."""
    with open(path, "wb") as file:
        np.savez(file, header=np.frombuffer(b"[" + b"[]," * 6_000_000 + b"[]]", np.uint8))
    tracemalloc.start()
    refused(path, "its header has 18000004 bytes, and 16777216 at most are read")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * path.stat().st_size
    model = KMeans(1).fit(np.zeros((2, 1)) + [[0.0], [1.0]])
    model.feature_names_in_ = np.array(["a" * (1 << 24)], object)
    path.unlink()
    with pytest.raises(ValueError, match="cannot be saved: names and other values of"):
        model.save(path)
    assert not path.exists()


def test_other_versions(path):
    header, arrays = written("mixture", path)
    for version in (3, 0, "2", None, True):
        write_archive(path, {**header, "version": version, "emkernels": "9.1"}, arrays)
        with pytest.raises(ValueError, match=f"{path} has version {version} of the format, of "
                           "emkernels 9.1; this emkernels reads version 2 and older"):
            emkernels.load(path)


def test_headers(path):
    header, arrays = written("K-means", path)
    for key, value, words in (
            ("format", "emkernels.Pool", "it holds emkernels.Pool"), ("format", [], ""),
            ("state", [], "no parameters or no state"), ("parameters", None, "no parameters")):
        write_archive(path, {**header, key: value}, arrays)
        refused(path, words)
    for text, words in (("[" * 100_000, "no JSON text"), ("[1]", "no JSON object"),
                        ('{"format": NaN}', "no JSON"), ("9" * 5000, "no JSON text")):
        with open(path, "wb") as file:
            np.savez(file, header=np.frombuffer(text.encode(), np.uint8))
        refused(path, words)
    for name in ("fit", "__class__", "_private", "predict"):
        state = {**header["state"], name: 1}
        write_archive(path, {**header, "state": state}, arrays)
        refused(path, f"'{name}' is no attribute of a fit")
    header["parameters"]["n_clusters"] = -3
    write_archive(path, header, arrays)
    refused(path, "'n_clusters' parameter")


def test_parameters_of_a_mixture(path):
    header, arrays = written("mixture", path)
    model = GaussianMixture.load(path)
    bad = model.covariances_.copy()
    bad[0, 0, 1] += 1.0
    flipped = -model.precisions_cholesky_
    other = model.covariances_ * 2
    for name, value, words in (
            ("weights_", model.weights_ * 1.1, "do not add up to one"),
            ("weights_", [0.5, 0.7, -0.2], "are negative"),
            ("weights_", [0.5, 0.5], "wrong shape"),
            ("weights_", [1, 0, 0], "wrong shape or type"),
            ("means_", model.means_ * np.nan, "not finite"),
            ("means_", model.means_[0], "no table of means"),
            ("means_", model.means_.astype(str), "wrong shape or type"),
            ("covariances_", bad, "component 0 is not symmetric"),
            ("covariances_", -model.covariances_, "component 0 is not positive definite"),
            ("covariances_", other, "component 0 are of two matrices"),
            ("precisions_cholesky_", flipped, "component 0 is not positive definite"),
            ("precisions_cholesky_", model.precisions_cholesky_.transpose(0, 2, 1),
             "component 0 is not triangular"),
            ("precisions_", model.precisions_ * 3, "precisions_ are not those")):
        spoil(path, header, arrays, name, np.asarray(value))
        refused(path, words)


@pytest.mark.parametrize("name", ["covariances_", "precisions_cholesky_", "precisions_"])
@pytest.mark.parametrize("covariance_type, at", [("EII", (0, 0, 1)), ("VVI", (1, 1, 0)),
                                                 ("EEE", (1, 0, 1)), ("VII", (0, 1, 1))])
def test_what_a_family_does_not_keep(path, covariance_type, at, name):
    """It would be shown, and not used."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(X).save(path)
    header, arrays = read_archive(path)
    value = arrays[header["state"][name]["array"]].copy()
    value[at] *= 1 + 1e-5
    value[at] += 1e-5 * np.abs(value).max() * (value[at] == 0)
    spoil(path, header, arrays, name, value)
    refused(path, f"{name} are not of the family {covariance_type}")


def test_weights_of_others_add_up_to_one(path):
    for name, attribute in (("t", "weights_"), ("classes", "weights_"), ("mixture of factors",
                            "weights_"), ("imputer by a mixture", "weights_"),
                            ("chain", "transmat_"), ("symbols", "emissionprob_")):
        header, arrays = written(name, path)
        values = arrays[header["state"][attribute]["array"]]
        spoil(path, header, arrays, attribute, values * 0.7)
        refused(path, "")


def test_positive_definite_of_others(path):
    for name, attribute in (("t", "scatters_"), ("imputer", "covariance_"),
                            ("imputer by a mixture", "covariances_"),
                            ("chain of full states", "covars_")):
        header, arrays = written(name, path)
        values = arrays[header["state"][attribute]["array"]]
        spoil(path, header, arrays, attribute, -values)
        refused(path, "")


# --- statistics -----------------------------------------------------------------------------------


def statistics(**changes):
    data = SufficientStatistics.zeros("full", [[0.0, 1.0]]).to_bytes()
    size = int.from_bytes(data[12:16], "little")
    header = {**json.loads(data[16:16 + size]), **changes}
    head = json.dumps({k: v for k, v in header.items() if v != "none"}).encode()
    payload = len(head).to_bytes(4, "little") + head + data[16 + size:]
    return data[:8] + zlib.crc32(payload).to_bytes(4, "little") + payload


@pytest.mark.parametrize("changes", [
    {"shape": "none"}, {"shape": [0, 2]}, {"shape": [1, 0]}, {"shape": [1]}, {"shape": 3},
    {"shape": [1.0, 2.0]}, {"shape": [10**30, 2]}, {"shape": ["a", "b"]}, {"shape": [True, 2]},
    {"covariance_type": "none"}, {"covariance_type": ["full"]}, {"covariance_type": "VVV"},
    {"log_likelihood": "none"}, {"log_likelihood": 3}, {"log_likelihood": "nan"},
    {"log_likelihood": "0x1p99999"}, {"total": "nan"}, {"total": []}, {"n_rows": "five"},
    {"n_rows": True}, {"noise": {}}, {"pairs": "inf"}])
def test_bytes_of_statistics(changes):
    assert SufficientStatistics.from_bytes(statistics()).counts.tolist() == [0.0]
    with pytest.raises(ValueError, match="the sufficient statistics are damaged: ."):
        SufficientStatistics.from_bytes(statistics(**changes))


def test_text_of_statistics_is_limited():
    payload = (6_000_002).to_bytes(4, "little") + b"[" + b"[]," * 2_000_000 + b"1"
    data = b"EMKSTAT1" + zlib.crc32(payload).to_bytes(4, "little") + payload
    tracemalloc.start()
    with pytest.raises(ValueError, match="damaged: a header of 6000002 bytes"):
        SufficientStatistics.from_bytes(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * len(data)


def test_statistics_of_nothing():
    for centers in (np.zeros((0, 2)), np.zeros((2, 0)), [1.0]):
        with pytest.raises(ValueError, match="at least one component and one column"):
            SufficientStatistics("full", centers)
    for data in (3, "text", None):
        with pytest.raises(TypeError, match="data must be bytes"):
            SufficientStatistics.from_bytes(data)
