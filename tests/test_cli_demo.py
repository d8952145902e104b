"""emkernels demo: its numbers, its report, and the folder that it writes."""

import base64
import json
import os
from html.parser import HTMLParser
from unittest import mock

import numpy as np
import pytest
from cli_files import complaint, run
from sklearn.datasets import load_breast_cancer, load_sample_image
from threadpoolctl import threadpool_limits

from emkernels.cli import _timing, demo
from emkernels.cli._demo import (
    _report,
    classes,
    clusters,
    factors,
    gaps,
    mixtures,
    outliers,
    photograph,
    states,
)
from emkernels.cli._demo._section import Section
from emkernels.cli._messages import CommandError

# the keys of the result that are tables
LISTS = ("mixtures", "clusters", "outliers", "imputation", "factors", "classes", "states",
         "photograph")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The whole demo once (two rounds, a quarter of the photograph): its result and folder."""
    folder = tmp_path_factory.mktemp("demo") / "report"
    small = load_sample_image("china.jpg")[::2, ::2].copy()
    # on small matrices threads mostly wait for each other
    with (pytest.MonkeyPatch.context() as patch, mock.patch("builtins.print") as printed,
          threadpool_limits(1)):
        patch.setattr("sklearn.datasets.load_sample_image", lambda _: small)
        for module in (
                mixtures, clusters, outliers, gaps, factors, classes, states, photograph):
            patch.setattr(module, "BUDGET", 0.0)
        assert run("demo", "-o", folder, "--seed", 3, "--json") == 0
    (call,) = printed.call_args_list
    return json.loads(call.args[0]), folder


def test_mixtures_are_those_of_scikit_learn(shown):
    rows = shown[0]["mixtures"]
    assert {row["data"] for row in rows} == {"iris", "wine", "china.jpg"}
    for row in rows:
        assert row["difference"] < 1e-9, row
        assert row["iterations"] == row["scikit_learn_iterations"]
        assert row["ratio"] == row["scikit_learn_seconds"] / row["seconds"]


def test_em_finds_long_clusters(shown):
    long, iris, _ = shown[0]["clusters"]
    assert long["adjusted_rand_em"] > 0.98 and long["adjusted_rand_kmeans"] < 0.5
    assert iris["adjusted_rand_em"] > iris["adjusted_rand_kmeans"]
    assert max(row["inertia_difference"] for row in shown[0]["clusters"]) < 1e-10


def test_long_clusters_are_long():
    X, truth = clusters.elongated(np.random.default_rng(0), 9000)
    for k in range(3):
        values = np.linalg.eigvalsh(np.cov(X[truth == k].T))
        assert np.sqrt(values[1] / values[0]) == pytest.approx(8, rel=0.05)


def test_errors_of_restored_values(shown):
    rows = shown[0]["imputation"]
    assert [row["data"] for row in rows] == ["breast cancer", "diabetes", "wine"]
    for row in rows:
        error = row["error"]
        assert error["emkernels"] < 0.8 * error["mean"]
        assert error["emkernels"] < 1.1 * min(error["knn"], error["iterative"])
        # the mean of a column is about a standard deviation away
        assert 0.8 < error["mean"] < 1.2
        assert row["missing"] == pytest.approx(
            gaps.MISSING * row["rows"] * row["columns"], rel=0.1)


def test_error_is_in_standard_deviations():
    truth = load_breast_cancer().data[:, :3]
    lost = np.zeros(truth.shape, bool)
    lost[4, 0] = lost[7, 2] = True
    filled = truth.copy()
    filled[4, 0] += 2 * truth[:, 0].std()
    filled[0, 1] += 99      # was not lost
    assert gaps.error_of(filled, truth, lost) == pytest.approx(np.sqrt(2))


def test_verdict_names_who_is_better():
    seconds = {"emkernels": 1.0, "iterative": 20.0}
    text = gaps._verdict([
        {"data": "a", "error": {"emkernels": 0.5, "knn": 0.6}, "seconds": seconds},
        {"data": "b", "error": {"emkernels": 0.7, "knn": 0.6}, "seconds": seconds}])
    assert "1 of 2 tables" in text and "On b it is that of kNN." in text and "1/20" in text


def test_smoothing_leaves_fewer_edges(shown):
    em, kmeans, smoothed = shown[0]["photograph"]
    assert [row["method"] for row in (em, kmeans, smoothed)] == ["EM", "K-means", "EM, smoothed"]
    assert 0 < smoothed["edges"] < em["edges"]
    assert smoothed["ratio"] is None and kmeans["ratio"] > 0


def test_edges():
    assert photograph.edges(np.array([[0, 0, 1], [0, 0, 1]])) == 2 / 7


# --- times ---------------------------------------------------------------------------------

def test_every_time_is_the_best_of_rounds(shown):
    result, folder = shown
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("Times: the shortest of 2 rounds") == len(demo.SECTIONS)
    for name in LISTS:
        assert [row["rounds"] for row in result[name]] == [2] * len(result[name])


class Clock:
    """A clock that only its contenders move."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def contender(self, name, *seconds):
        """Takes these seconds, the last of them from then on, and returns how often it ran."""
        def run():
            n = self.calls.count(name)
            self.calls.append(name)
            self.now += seconds[min(n, len(seconds) - 1)]
            return n + 1
        return run


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_timing.time, "perf_counter", clock)
    return clock


def test_contenders_take_turns_and_the_shortest_counts(clock):
    best, results, n_rounds = _timing.take_turns(
        [clock.contender("a", 9, 3, 5, 4, 6), clock.contender("b", 2, 1, 7, 7, 7)], 1000)
    assert (best, results, n_rounds) == ([3, 1], [5, 5], 5)
    assert "".join(clock.calls) == "abbaabbaab"


@pytest.mark.parametrize("budget, rounds", [(0, 2), (5.9, 2), (6, 3), (9, 4), (1000, 5)])
def test_what_is_long_has_fewer_rounds_and_never_one(clock, budget, rounds):
    assert _timing.take_turns([clock.contender("a", 2.0)], budget)[2] == rounds


def test_what_is_short_runs_again_in_its_turn(clock):
    (best,), _, rounds = _timing.take_turns([clock.contender("a", 0.3, 2**-8, 2**-9)], 0.0)
    assert best == 2**-9 and rounds == 2
    assert clock.calls.count("a") == 1 + _timing.TURN // 2**-9


def test_texts_of_times():
    duration, times = _timing.duration, _timing.times
    assert [duration(0.00123), duration(0.5), duration(12.345)] == ["1.23 ms", "500 ms", "12.3 s"]
    assert [times(x) for x in (0.917, 0.96, 2.04, 9.96, 51.2, 99.6, 317.4)] == [
        "0.92x", "1.0x", "2.0x", "10x", "51x", "100x", "320x"]
    assert [_timing.rounds_said(x) for x in ([2, 2], [5, 2, 3])] == ["2 rounds", "2 to 5 rounds"]


# --- the report ----------------------------------------------------------------------------

class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.open, self.text = [], [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_report_needs_no_other_file(shown):
    result, folder = shown
    assert sorted(os.listdir(folder)) == sorted(result["files"]) == sorted(demo.FILES)
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {"script", "link", "iframe"} & set(page.tags) and "://" not in text
    inside = [base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True)
              for source in page.sources]
    beside = {(folder / name).read_bytes() for name in demo.FILES[1:]}
    assert set(inside) == beside and len(inside) == 10
    assert page.tags.count("h2") == page.tags.count("table") == len(demo.SECTIONS)
    assert page.tags.count("tr") == len(demo.SECTIONS) + sum(
        len(result[name]) for name in LISTS)


def test_pictures_are_pictures(shown):
    image = pytest.importorskip("PIL.Image")
    for name in demo.FILES[1:]:
        with image.open(shown[1] / name) as picture:
            assert picture.width > 1000 and len(picture.convert("RGB").getcolors(2**24)) > 100


def section(**parts):
    return Section(**{"name": "mixtures", "title": "t", "text": "a < b & \"c\"", "heads": ["<h>"],
                      "rows": [["<script>"]], "records": [{"x": 1}], "verdict": "v", **parts})


def test_words_are_not_markup():
    page = Page(_report.page("<i>", "m", [section()], {}))
    assert "script" not in page.tags and "i" not in page.tags
    assert "<script>" in page.text and 'a < b & "c"' in page.text


# --- the folder ----------------------------------------------------------------------------

@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A demo of one made-up section, in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "SECTIONS", [("made up", lambda *_: section())])
    return tmp_path


def test_names_a_folder_that_is_new(quick, capsys):
    for name in ("emkernels-demo", "emkernels-demo-2", "emkernels-demo-3"):
        assert run("demo") == 0
        assert f"{name}{os.sep}report.html: written" in capsys.readouterr().out
    assert sorted(os.listdir(quick)) == ["emkernels-demo", "emkernels-demo-2", "emkernels-demo-3"]


def test_table_and_words_are_printed(quick, capsys):
    assert run("demo") == 0
    out = capsys.readouterr().out
    assert "<script>" in out and 'a < b & "c"' in out and max(map(len, out.splitlines())) <= 100


def test_quiet_writes_the_report(quick, capsys):
    assert run("demo", "--quiet", "-o", "here") == 0
    assert capsys.readouterr() == ("", "")
    assert os.listdir(quick / "here") == ["report.html"]


def test_an_existing_report_stays_without_force(quick, capsys):
    (quick / "mine").mkdir()
    (quick / "mine" / "notes.txt").write_text("keep")
    assert run("demo", "-o", "mine", "--quiet") == 0        # nothing of ours is there yet
    (quick / "mine" / "report.html").write_text("old")
    line = complaint(capsys, "demo", "-o", "mine")
    assert line == "mine: holds report.html already; --force writes over it"
    assert (quick / "mine" / "report.html").read_text() == "old"
    assert run("demo", "-o", "mine", "--force", "--quiet") == 0
    assert (quick / "mine" / "report.html").read_text().startswith("<!DOCTYPE html>")
    assert (quick / "mine" / "notes.txt").read_text() == "keep"
    assert os.listdir(quick) == ["mine"]


def test_folders_that_cannot_be(quick, capsys):
    (quick / "file").write_text("x")
    (quick / "odd" / "report.html").mkdir(parents=True)
    assert complaint(capsys, "demo", "-o", "file") == "file: is not a folder"
    assert complaint(capsys, "demo", "-o", "no/where").startswith("no/where: there is no folder ")
    assert complaint(capsys, "demo", "-o", "odd", "--force") == (
        f"{os.path.join('odd', 'report.html')}: is not a regular file")


def test_nothing_is_left_of_a_failure(quick, capsys, monkeypatch):
    for name in ("replace", "rename"):
        with mock.patch.object(_report.os, name, side_effect=OSError(28, "No space left")):
            (quick / "there").mkdir(exist_ok=True)
            folder = "there" if name == "replace" else "new"
            assert complaint(capsys, "demo", "-o", folder, "--json") == f"{folder}: No space left"
    assert os.listdir(quick) == ["there"] and not os.listdir(quick / "there")
    monkeypatch.setattr(demo, "SECTIONS", [("broken", mock.Mock(side_effect=MemoryError))])
    assert run("demo", "-o", "new") == 2
    assert os.listdir(quick) == ["there"]


def test_missing_package_names_the_extra(quick, capsys):
    with mock.patch.dict("sys.modules", {"matplotlib": None}):
        line = complaint(capsys, "demo")
    assert line.endswith("pip install 'emkernels[demo]'") and not os.listdir(quick)


def test_checked_before_any_work(quick, capsys, monkeypatch):
    work = mock.Mock(side_effect=AssertionError)
    monkeypatch.setattr(demo, "SECTIONS", [("work", work)])
    (quick / "file").write_text("x")
    complaint(capsys, "demo", "-o", "file")
    complaint(capsys, "demo", "--threads", "0")
    with pytest.raises(CommandError):
        _report.folder_for("file", demo.FILES, force=True, default="d")
    work.assert_not_called()


def test_factors_of_what_is_left(shown):
    rows = shown[0]["factors"]
    assert len(rows) == len(factors.SHARES)
    X, names = factors.psychology_table()
    assert X.shape == (301, 9) and len(names) == 9 and not np.isnan(X).any()
    for row, share in zip(rows, factors.SHARES):
        assert row["missing"] == pytest.approx(share * X.size, rel=0.3)
        assert min(row["error"], key=row["error"].get) == "emkernels"


def test_classes_of_members(shown):
    rows = shown[0]["classes"]
    assert [row["classes"] for row in rows] == list(classes.CLASSES)
    votes, names, party = classes.table_of_votes()
    assert votes.shape == (435, 16) and len(names) == 16
    assert (votes == np.array(None)).sum() == 392 and (party == "democrat").sum() == 267
    # two classes are the parties, for the most part, and tell votes better than the majority
    assert rows[1]["adjusted_rand"] > 0.5 and rows[0]["entropy"] == 1
    assert rows[0]["restored"] == rows[0]["restored_by_majority"] < 0.65 < 0.75 < (
        rows[1]["restored"])
    assert min(rows, key=lambda row: row["bic"])["classes"] > 2


def test_states_of_the_nile(shown):
    rows = shown[0]["states"]
    years, flow = states.flows_of_the_nile()
    assert years[0] == 1871 and flow.shape == (100, 1) and flow.sum() == 91935
    for part in rows[:3], rows[3:]:
        best = min(part, key=lambda row: row["bic"])
        assert best["states"] == 2 and len(best["changes"]) == 1
        assert 1895 <= best["changes"][0] <= 1902
    assert rows[1]["changes"] == [1899] and rows[3]["missing"] > 20


def test_distance_of_loadings_sees_neither_order_nor_sign():
    loadings = np.random.default_rng(0).normal(size=(3, 7))
    other = loadings[[2, 0, 1]] * [[-1], [1], [-1]]
    assert factors.distance(loadings, other) == pytest.approx(0, abs=1e-15)
    other[1, 4] += 0.3
    assert factors.distance(loadings, other) == pytest.approx(0.3 / np.sqrt(21))


def test_rows_far_out(shown):
    rows = {(row["components"], row["model"]): row for row in shown[0]["outliers"]}
    assert rows[2, "normal"]["bic"] > max(
        rows[2, "Student t"]["bic"], rows[2, "normal and noise"]["bic"]) + 50
    assert rows[2, "Student t"]["adjusted_rand"] > rows[2, "normal"]["adjusted_rand"]
    assert rows[1, "Student t"]["bic"] < rows[1, "normal"]["bic"]
    assert rows[1, "Student t"]["far_out"] == 2
