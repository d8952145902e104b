"""Text files in pieces that end where a record does, and who reads them."""

import io
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_files import air_quality, read_csv, run

from emkernels.cli import _formats, _output
from emkernels.cli._pieces import TooLong, Utf8, pieces


def record_ends(data):
    """Where records end, character by character: a double quote means something at the
    beginning of a cell, and there doubles itself."""
    ends, state, at = set(), "begin", 0
    while at < len(data):
        byte, following = data[at:at + 1], data[at + 1:at + 2]
        if state == "quoted":
            if byte == b'"' and following == b'"':
                at += 1
            elif byte == b'"':
                state = "cell"
        elif state == "begin" and byte == b'"':
            state = "quoted"
        elif byte in b"\r\n":
            at += byte + following == b"\r\n"
            ends.add(at + 1)
            state = "begin"
        else:
            state = "begin" if byte == b"," else "cell"
        at += 1
    return ends


@pytest.mark.parametrize("weights", [(5, 2, 2, 3, 2, 1), (1, 1, 4, 1, 1, 1), (5, 1, 0, 4, 2, 1)])
def test_pieces_end_where_records_do(weights, rng):
    alphabet = np.array([b"a", b",", b'"', b"\n", b"\r\n", b"\r"], dtype=object)
    for _ in range(1500):
        data = b"".join(rng.choice(
            alphabet, rng.integers(1, 60), p=np.array(weights) / sum(weights)))
        found = list(pieces(Utf8(io.BytesIO(data), None), ",", int(rng.integers(1, 20)), 10**6))
        assert b"".join(found) == data
        assert set(np.cumsum([len(piece) for piece in found[:-1]])) <= record_ends(data), found


def test_pieces_are_of_the_size_that_was_asked_for():
    data = b"12345,\"a\nb\"\n" * 1000
    found = list(pieces(Utf8(io.BytesIO(data), None), ",", 120, 10**6))
    assert len(found) == 100 and b"".join(found) == data
    with pytest.raises(TooLong):
        list(pieces(Utf8(io.BytesIO(b"a" * 1000), None), ",", 100, 500))


def test_a_mark_and_an_encoding():
    text = 'é,"€\n"\n'
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        raw = io.BytesIO(text.replace("€", "x").encode(encoding))
        stream = Utf8(raw, None if "utf-8" in encoding else encoding)
        assert b"".join(pieces(stream, ",", 3, 100)) == 'é,"x\n"\n'.encode()
        assert stream.n_quotes == 2


@pytest.mark.parametrize("out", ["out.csv", "out.csv.gz", "out.parquet"])
def test_no_other_thread_touches_a_stream_of_python(out, tmp_path, monkeypatch):
    """One that lets go of it while the interpreter ends has the process aborted."""
    touched = set()

    class Watched(io.FileIO):
        def readinto(self, buffer):
            touched.add(threading.get_ident())
            return super().readinto(buffer)

        def write(self, data):
            touched.add(threading.get_ident())
            return super().write(data)

        def __del__(self):
            touched.add(threading.get_ident())

    monkeypatch.setattr(
        _formats, "open", lambda path, mode: io.BufferedReader(Watched(path)), False)
    monkeypatch.setattr(_output, "open", lambda path, mode: Watched(path, "xb"), False)
    frame = air_quality(tmp_path / "in.csv")
    assert run("impute", tmp_path / "in.csv", "-o", tmp_path / out, "--quiet") == 0
    assert touched == {threading.get_ident()}
    if out == "out.parquet":
        assert pq.read_table(tmp_path / out).num_rows == len(frame)
    elif out == "out.csv":
        assert len(read_csv(tmp_path / out)) == len(frame)
