"""Picture files as the command line reads and writes them, against what was written."""

import importlib.util
import struct
import zlib

import numpy as np
import pytest
import tifffile
from cli_files import complaint, result, run
from phantoms import ball, colours, discs
from PIL import Image

from emkernels import segment_image
from emkernels.cli._console import Console
from emkernels.cli._images import read_image, read_mask, read_seeds
from emkernels.cli._messages import CommandError
from emkernels.cli._picture import Picture, upright

GREY = np.rint(200 * discs(0.05)[0]).clip(0, 255).astype(np.uint8)
RGB = np.rint(200 * colours(0.02)[0]).clip(0, 255).astype(np.uint8)
# scale, tie point and keys of a GeoTIFF in UTM zone 33
PLACES = [(33550, 12, 3, (10.0, 10.0, 0.0)), (33922, 12, 6, (0, 0, 0, 5e5, 5e6, 0)),
          (34735, 3, 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633))]


def read(path, **options):
    """A Picture, and the warnings."""
    console = Console(quiet=True)
    return read_image(str(path), console, bytes_for_pixel=10, **options), console.warnings


def refused(path, **options):
    with pytest.raises(CommandError) as error:
        read(path, **options)
    text = str(error.value)
    assert text.startswith(f"{path}: ") and "\n" not in text
    return text.removeprefix(f"{path}: ")


def tags(nodata=None, places=()):
    found = [(*place, True) for place in places]
    return found if nodata is None else [*found, (42113, 2, 0, nodata, True)]


# --- TIFF, page by page --------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2",
                                   "f4", "f8"])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 8])
def test_depth_sign_and_bands(dtype, bands, tmp_path):
    if dtype == "b1" and bands > 1:
        return
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 2 if dtype == "b1" else 100, (12, 17, bands))
    if dtype[0] in "if":
        pixels -= 50
    pixels = pixels.astype(dtype)
    pixels = pixels[..., 0] if bands == 1 else pixels
    layout = {} if bands == 1 else {"planarconfig": "contig"}
    for name, options in (("plain", layout), ("zlib", {"compression": "zlib", **layout}),
                          ("big", {"bigtiff": True, "byteorder": ">", **layout}),
                          ("tiled", {"tile": (16, 16), **layout})):
        if dtype == "b1" and name == "tiled":
            continue
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=None, **options)
        found, warnings = read(path)
        np.testing.assert_array_equal(found.pixels, pixels)
        assert found.pixels.dtype == np.dtype(dtype) and warnings == []
        assert found.channels == (bands > 1) and not found.alpha and found.shape == (12, 17)
    if bands > 1:
        tifffile.imwrite(tmp_path / "planar.tif", np.moveaxis(pixels, -1, 0),
                         photometric="minisblack", planarconfig="separate", metadata=None)
        found, _ = read(tmp_path / "planar.tif")
        np.testing.assert_array_equal(found.pixels, pixels)


def test_white_is_zero_palettes_and_inks(tmp_path):
    for dtype in ("u1", "u2"):
        tifffile.imwrite(tmp_path / "white.tif", np.iinfo(dtype).max - GREY.astype(dtype),
                         photometric="miniswhite")
        np.testing.assert_array_equal(read(tmp_path / "white.tif")[0].pixels, GREY)
    for mode in ("1", "P", "CMYK", "YCbCr", "RGB", "L", "LA", "RGBA"):
        picture = Image.fromarray(RGB)
        picture = picture.quantize(16) if mode == "P" else picture.convert(mode)
        wanted = picture.convert("RGB") if mode in ("P", "CMYK", "YCbCr") else picture
        picture.save(tmp_path / "mode.tif")
        found, _ = read(tmp_path / "mode.tif")
        np.testing.assert_array_equal(found.pixels, np.array(wanted))
        assert found.alpha == (mode in ("LA", "RGBA"))
    indices, _ = read(tmp_path / "mode.tif")
    picture = Image.fromarray(RGB).quantize(16)
    for name in ("index.tif", "index.png"):
        picture.save(tmp_path / name)
        np.testing.assert_array_equal(
            read(tmp_path / name, indices=True)[0].pixels, np.array(picture))
    # an independent reading of Lab: white, grey, and a red of known coordinates
    lab = np.array([[[255, 0, 0], [137, 0, 0], [138, 81, 70]]], np.uint8)
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab")
    np.testing.assert_allclose(
        read(tmp_path / "lab.tif")[0].pixels, [[[255] * 3, [128] * 3, [254, 0, 0]]], atol=6)


def test_alpha_where_the_file_says_so(tmp_path):
    four = np.dstack([RGB, RGB[..., 0] // 2])
    for photometric, extra, alpha in (
            ("rgb", ["unassalpha"], True), ("rgb", ["unspecified"], False),
            ("minisblack", ["unspecified"] * 3, False)):
        tifffile.imwrite(tmp_path / "four.tif", four, photometric=photometric, extrasamples=extra,
                         planarconfig="contig")
        found, _ = read(tmp_path / "four.tif")
        assert found.alpha == alpha
        np.testing.assert_array_equal(found.pixels, four)
        assert found.colours().shape[-1] == 4 - alpha
    alpha = np.where(RGB[..., :1] > 60, 128, 0)
    multiplied = np.concatenate([np.rint(RGB * (alpha / 255)), alpha], axis=-1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "four.tif", multiplied, photometric="rgb",
                     extrasamples=["assocalpha"])
    found, _ = read(tmp_path / "four.tif")
    assert found.alpha
    seen = alpha[..., 0] > 0
    np.testing.assert_allclose(found.pixels[seen][:, :3], RGB[seen], atol=1)


def test_which_way_is_up(tmp_path):
    for orientation in range(1, 9):
        image = Image.fromarray(RGB)
        image.save(tmp_path / "o.tif", tiffinfo={274: orientation})
        exif = Image.Exif()
        exif[274] = orientation
        image.save(tmp_path / "o.png", exif=exif)
        found = [read(tmp_path / name)[0].pixels for name in ("o.tif", "o.png")]
        np.testing.assert_array_equal(*found)
        np.testing.assert_array_equal(found[0], upright(RGB, orientation))


def test_what_a_file_says_of_no_data(tmp_path):
    path = tmp_path / "n.tif"
    for value, text in ((0, "0"), (255, "255"), (-9999, "-9999.0"), (np.nan, "nan")):
        tifffile.imwrite(path, GREY, extratags=tags(text))
        np.testing.assert_equal(read(path)[0].nodata, value)
    assert read(tmp_path / "n.tif")[0].known is None
    # of an indexed picture it is an index, and no colour
    index = GREY // 50
    table = np.zeros((3, 256), np.uint16)
    table[:, :6] = 257 * np.arange(6) * 40
    tifffile.imwrite(path, index, photometric="palette", colormap=table, extratags=tags("2"))
    found, _ = read(path)
    assert found.nodata is None
    np.testing.assert_array_equal(found.known, index != 2)
    np.testing.assert_array_equal(found.pixels[..., 1], 40 * index)
    # a mask of its own, and reduced copies
    with tifffile.TiffWriter(path) as out:
        out.write(GREY, subfiletype=0)
        out.write(GREY > 60, subfiletype=4, photometric="mask")
        out.write(GREY[::2, ::2], subfiletype=1)
        out.write(GREY[::2, ::2] > 60, subfiletype=5, photometric="mask")
    found, warnings = read(path)
    np.testing.assert_array_equal(found.known, GREY > 60)
    np.testing.assert_array_equal(found.pixels, GREY)
    assert warnings == []
    with tifffile.TiffWriter(path) as out:
        out.write(GREY, subifds=1)
        out.write(GREY[::2, ::2], subfiletype=1)
    assert read(path)[0].shape == GREY.shape and read(path)[1] == []
    tifffile.imwrite(path, GREY, extratags=tags("n/a"))
    found, warnings = read(path)
    assert found.nodata is None and warnings == [
        f"{path}: its tag GDAL_NODATA is 'n/a', no number, and is not used; --nodata says what "
        "stands for no data"]


# --- several pages -------------------------------------------------------------------------

STACK = np.stack([GREY // (i + 1) for i in range(6)])


def test_pages(tmp_path):
    path = tmp_path / "stack.tif"
    says = "is used; --page N takes another, --stack volume all of them"
    for options, arranged in (
            ({"imagej": True, "metadata": {"axes": "ZYX"}}, " (6 planes)"),
            ({"photometric": "minisblack", "metadata": None}, ""),
            ({"imagej": True, "truncate": True, "metadata": {"axes": "TYX"}}, " (6 times)")):
        tifffile.imwrite(path, STACK, **options)
        found, warnings = read(path)
        np.testing.assert_array_equal(found.pixels, GREY)
        assert warnings == [f"{path}: the first of 6 pages{arranged} {says}"]
        for page in (1, 4, 6):
            found, warnings = read(path, page=page)
            np.testing.assert_array_equal(found.pixels, STACK[page - 1])
            assert warnings == []
        volume, warnings = read(path, stack="volume")
        np.testing.assert_array_equal(volume.pixels, STACK)
        assert volume.shape == STACK.shape and not volume.channels and warnings == []
        channels, _ = read(path, stack="channels")
        np.testing.assert_array_equal(channels.pixels, np.moveaxis(STACK, 0, -1))
        assert channels.channels and channels.shape == GREY.shape
        assert refused(path, page=7) == "there is no page 7: it has 6"


def test_what_the_axes_of_a_stack_are(tmp_path):
    path = tmp_path / "stack.tif"
    hyper = STACK.reshape(3, 2, *GREY.shape)
    tifffile.imwrite(path, hyper, imagej=True, metadata={"axes": "ZCYX"})
    found, _ = read(path, stack="volume")
    assert found.channels and found.shape == (3, *GREY.shape)
    np.testing.assert_array_equal(found.pixels, np.moveaxis(hyper, 1, -1))
    np.testing.assert_array_equal(read(path, page=4)[0].pixels, STACK[3])
    tifffile.imwrite(tmp_path / "two.ome.tif", STACK[:2], metadata={"axes": "CYX"})
    found, _ = read(tmp_path / "two.ome.tif", stack="volume")
    assert found.shape == GREY.shape and found.channels
    np.testing.assert_array_equal(found.pixels, np.moveaxis(STACK[:2], 0, -1))
    tifffile.imwrite(path, hyper, imagej=True, metadata={"axes": "TZYX"})
    assert refused(path, stack="volume").startswith("has 3 x 2 pages, which make no volume")
    assert read(path, stack="channels")[0].pixels.shape == (*GREY.shape, 6)
    tifffile.imwrite(path, np.stack([RGB, RGB // 2]), photometric="rgb")
    found, _ = read(path, stack="volume")
    np.testing.assert_array_equal(found.pixels, [RGB, RGB // 2])
    assert refused(path, stack="channels").startswith("its pages have channels of their own")
    with tifffile.TiffWriter(path) as out:
        out.write(GREY)
        out.write(RGB, photometric="rgb")
    assert refused(path, stack="volume").startswith("page 2 is of another size or kind than page 1")
    np.testing.assert_array_equal(read(path, page=2)[0].pixels, RGB)
    # planes of one page
    tifffile.imwrite(path, STACK.astype(np.uint16), volumetric=True, tile=(2, 32, 32),
                     photometric="minisblack")
    np.testing.assert_array_equal(read(path)[0].pixels, STACK)


def test_frames_of_other_formats(tmp_path):
    frames = [Image.fromarray(RGB), Image.fromarray(RGB).rotate(180)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    path = tmp_path / "a.webp"
    both = np.stack([np.array(frame.convert("RGB")) for frame in frames])
    found, warnings = read(path)
    np.testing.assert_array_equal(found.pixels[..., :3], both[0])
    assert warnings == [f"{path}: the first of 2 pictures is used; --page N takes another, --stack "
                        "volume all of them"]
    np.testing.assert_array_equal(read(path, page=2)[0].pixels[..., :3], both[1])
    np.testing.assert_array_equal(read(path, stack="volume")[0].pixels[..., :3], both)
    assert refused(path, page=3) == "there is no page 3: it has 2"


# --- what is not read, or not all of it -----------------------------------------------------

def test_files_that_are_not_read(tmp_path):
    def line(name, content):
        (tmp_path / name).write_bytes(content)
        return refused(tmp_path / name)

    assert line("a.png", b"") == "is empty"
    assert line("a.hdr", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n") == (
        "is Radiance HDR, which is not read; save it as a TIFF or PNG")
    for content, name in ((b"\x76\x2f\x31\x01", "OpenEXR"), (bytes(128) + b"DICM", "DICOM"),
                          (bytes(344) + b"n+1\0", "NIfTI"), (b"\x93NUMPY\1", "an array of NumPy")):
        assert line("a.png", content + bytes(20)).startswith(f"is {name}, which is not read")
    assert line("a.tif", b"II*\0").startswith("is damaged: ")
    tifffile.imwrite(tmp_path / "whole.tif", GREY.astype(float), compression="zlib")
    whole = (tmp_path / "whole.tif").read_bytes()
    assert line("half.tif", whole[:len(whole) // 2]).startswith("is damaged: ")
    tifffile.imwrite(tmp_path / "c.tif", GREY.astype(np.complex64))
    assert refused(tmp_path / "c.tif") == "has pixels of complex64, which are not read"
    tifffile.imwrite(tmp_path / "cfa.tif", GREY, photometric="cfa", extratags=[
        (33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)])
    assert refused(tmp_path / "cfa.tif").startswith("is raw data of a sensor (CFA), which is not")


def test_compressions_that_only_pillow_has(tmp_path):
    for compression in ("tiff_lzw", "packbits", "zstd"):
        for pixels in (GREY, RGB):
            Image.fromarray(pixels).save(tmp_path / "c.tif", compression=compression)
            np.testing.assert_array_equal(read(tmp_path / "c.tif")[0].pixels, pixels)
    bits = Image.fromarray(GREY > 60)
    bits.save(tmp_path / "fax.tif", compression="group4")
    np.testing.assert_array_equal(read(tmp_path / "fax.tif")[0].pixels, GREY > 60)


@pytest.mark.skipif(importlib.util.find_spec("imagecodecs") is not None,
                    reason="imagecodecs reads these")
def test_what_imagecodecs_would_read(tmp_path):
    path = tmp_path / "c.tif"
    four = np.dstack([RGB, RGB[..., :1]]).astype(np.uint16)
    tifffile.imwrite(path, four, photometric="minisblack", planarconfig="contig")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags[259].overwrite(5)        # as if it were compressed
    assert refused(path) == (
        "is compressed by LZW, and pixels of uint16 x 4 need the package imagecodecs for that: pip "
        "install imagecodecs, or save it without compression")

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in RGB * np.uint16(257))
    content = (b"\x89PNG\r\n\x1a\n"
               + chunk(b"IHDR", struct.pack(">IIBBBBB", RGB.shape[1], RGB.shape[0], 16, 2, 0, 0, 0))
               + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    (tmp_path / "deep.png").write_bytes(content)
    found, warnings = read(tmp_path / "deep.png")
    np.testing.assert_array_equal(found.pixels, RGB)
    assert warnings == [
        f"{tmp_path / 'deep.png'}: is read at 8 of its 16 bits a channel, all that Pillow keeps; "
        "the package imagecodecs reads them all: pip install imagecodecs"]
    (tmp_path / "deep.ppm").write_bytes(
        b"P6\n# made\n%d %d\n65535\n" % RGB.shape[1::-1] + (RGB * np.uint16(257)).astype(
            ">u2").tobytes())
    assert read(tmp_path / "deep.ppm")[1] == [
        f"{tmp_path / 'deep.ppm'}: is read at 8 of its 16 bits a channel, all that Pillow keeps; a "
        "TIFF keeps them"]


# --- masks and seeds -----------------------------------------------------------------------

@pytest.mark.parametrize("values", [
    np.uint8([0, 255]), np.uint8([0, 1]), np.array([False, True]), np.uint16([0, 65535]),
    np.float32([0, 1]), np.int8([0, 1])])
def test_masks_of_any_kind(values, tmp_path):
    inside = GREY > 60
    tifffile.imwrite(tmp_path / "mask.tif", values[inside.astype(int)])
    console = Console(quiet=True)
    found = read_mask(str(tmp_path / "mask.tif"), Picture(GREY), console)
    np.testing.assert_array_equal(found, inside)
    assert console.warnings == []


def test_masks_of_more_than_two_values(tmp_path):
    path, console = tmp_path / "mask.tif", Console(quiet=True)
    tifffile.imwrite(path, GREY // 50)
    found = read_mask(str(path), Picture(GREY), console)
    top = (GREY // 50).max()
    np.testing.assert_array_equal(found, np.isin(GREY // 50, np.arange(top // 2 + 1, 9)))
    assert console.warnings == [
        f"{path}: the mask has {top + 1} values instead of two; pixels above {top / 2:g} take part"]
    gaps = np.where(GREY > 60, np.float32(1), np.nan)
    tifffile.imwrite(path, gaps)
    np.testing.assert_array_equal(read_mask(str(path), Picture(GREY), console), GREY > 60)


def test_seeds(tmp_path):
    wanted = np.where(GREY > 120, 1, np.where(GREY < 30, 0, -1))
    stored = np.where(wanted < 0, 255, wanted).astype(np.uint8)
    image = Image.fromarray(stored)
    for name in ("seeds.png", "seeds.tif"):
        image.save(tmp_path / name)
        found = read_seeds(str(tmp_path / name), Picture(GREY), Console())
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == np.int32
    image.putpalette([0, 0, 0, 255, 0, 0] + [9] * 762)
    image.save(tmp_path / "seeds.png")
    np.testing.assert_array_equal(
        read_seeds(str(tmp_path / "seeds.png"), Picture(GREY), Console()), wanted)
    for pixels, message in (
            (RGB, "has colours, and not numbers of segments"),
            (stored[1:], "the seeds have 64 x 47 pixels"),
            (stored * 0 + 255, "no pixel has the number of a segment")):
        Image.fromarray(pixels).save(tmp_path / "seeds.png")
        with pytest.raises(CommandError, match=message):
            read_seeds(str(tmp_path / "seeds.png"), Picture(GREY), Console())


# --- the command ---------------------------------------------------------------------------

def test_a_geotiff_and_its_labels(tmp_path, capsys):
    path, out = tmp_path / "geo.tif", tmp_path / "labels.tif"
    pixels = 40 * RGB.astype(np.uint16) + 5
    pixels[:10, :10] = 0
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig",
                     extratags=tags("0", PLACES))
    found = result(capsys, "segment", path, "-k", "3", "--view", "labels", "-o", out)
    assert found["without_data"] == 100 and found["nodata"] == 0
    assert found["outside"] == found["transparent"] == 0 and found["empty_segments"] == []
    assert (found["channels"], found["dtype"], found["depth"]) == (3, "uint16", None)
    assert sum(segment["pixels"] for segment in found["segments"]) == pixels[..., 0].size - 100
    mask = pixels.any(axis=-1)
    wanted = segment_image(pixels, 3, mask=mask, random_state=0).labels
    with tifffile.TiffFile(out) as file:
        page = file.pages[0]
        np.testing.assert_array_equal(page.asarray(), np.where(wanted < 0, 255, wanted))
        assert page.photometric.name == "PALETTE" and page.tags[42113].value == "255"
        for code, _, _, value in PLACES:
            assert page.tags[code].value == value
        np.testing.assert_array_equal(     # colours of the segments, in the palette
            page.colormap[:, 1] % 257, 0)
    # what was written is read again as it is meant
    again = read(out)[0]
    np.testing.assert_array_equal(again.known, mask)
    assert [place[0] for place in again.places] == [33550, 33922, 34735]
    assert run("segment", path, "-k", "3", "-o", tmp_path / "seen.png") == 0
    said = capsys.readouterr()
    assert "where on the Earth the pixels of" in said.err and said.err.count("\n") == 1
    assert "100 pixels left out: without data (0 stands for it)" in said.out
    assert "3 channels of uint16" in said.out
    # the tag may be wrong
    found = result(capsys, "segment", path, "-k", "3", "--nodata", "none", "-o", out, "--force")
    assert found["without_data"] == 0 and found["nodata"] is None
    assert tifffile.imread(out).shape == RGB.shape
    found = result(capsys, "segment", path, "-k", "3", "--nodata=-9999", "-o", out, "--force")
    assert found["warnings"] == [
        f"{path}: -9999 is to stand for no data, which no pixel of uint16 can be; every pixel "
        "counts as known"]


@pytest.mark.parametrize("fill", [np.nan, -9999.0, -3.4028234663852886e38, 1e20])
def test_floats_without_data(fill, tmp_path, capsys):
    path, out = tmp_path / "f.tif", tmp_path / "labels.png"
    pixels = (3000 * discs(0.05)[0] - 1000).astype(np.float32)
    wanted = segment_image(pixels[10:], 3, random_state=0)
    pixels[:10] = fill
    tifffile.imwrite(path, pixels, extratags=tags(repr(float(fill))))
    found = result(capsys, "segment", path, "-k", "3", "--view", "labels", "-o", out)
    assert found["without_data"] == 10 * pixels.shape[1] and found["empty_segments"] == []
    with Image.open(out) as image:
        labels = np.array(image)
    assert (labels[:10] == 255).all()
    np.testing.assert_array_equal(labels[10:], wanted.labels)
    tifffile.imwrite(path, pixels)
    again = result(capsys, "segment", path, "-k", "3", f"--nodata={fill}", "-o", out, "--force")
    assert again["segments"] == found["segments"]


@pytest.mark.parametrize("fill, dtype", [(-9999, "f4"), (-32768, "i2"), (-9999, "f8")])
def test_values_that_look_like_no_data(fill, dtype, tmp_path, capsys):
    path = tmp_path / "f.tif"
    pixels = (1000 * discs(0.05)[0] + 500).astype(dtype)
    tifffile.imwrite(path, pixels)
    arguments = ["segment", path, "-k", "3", "--force", "-o", tmp_path / "o.png"]
    assert result(capsys, *arguments)["warnings"] == []
    pixels[:3, :20] = fill
    tifffile.imwrite(path, pixels)
    said = [text for text in result(capsys, *arguments)["warnings"]
            if f"--nodata={fill}" in text.split()]
    assert len(said) == 1 and "far outside of the others" in said[0]
    seen = result(capsys, *arguments, f"--nodata={fill}")
    assert seen["without_data"] == 60 and seen["warnings"] == []
    assert not any("--nodata=" in text for text in result(
        capsys, *arguments, "--nodata", "none")["warnings"])


def test_signed_bytes(tmp_path, capsys):
    path = tmp_path / "i1.tif"
    pixels = (GREY.astype(int) - 128).astype(np.int8)
    tifffile.imwrite(path, pixels)
    found = result(capsys, "segment", path, "-k", "3", "-o", tmp_path / "o.png")
    wanted = segment_image(pixels, 3, random_state=0)
    np.testing.assert_array_equal([s["color"] for s in found["segments"]], wanted.colors)
    assert found["segments"][0]["color"][0] < 0


def test_a_volume(tmp_path, capsys):
    volume = (1000 * ball(0.02)[0]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "v.tif", volume, imagej=True, metadata={"axes": "ZYX"})
    arguments = ["segment", tmp_path / "v.tif", "-k", "2", "--stack", "volume"]
    found = result(capsys, *arguments, "--view", "labels", "-o", tmp_path / "labels.tif")
    wanted = segment_image(volume, 2, channel_axis=None, random_state=0)
    assert (found["depth"], found["height"], found["width"]) == volume.shape
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "labels.tif"), wanted.labels)
    assert run(*arguments, "--view", "triptych", "--quiet", "-o", tmp_path / "seen.tif") == 0
    seen = tifffile.imread(tmp_path / "seen.tif")
    assert seen.shape == (14, 18, 3 * 20 + 16, 3)
    np.testing.assert_array_equal(seen[:, :, -20:], wanted.recolored())
    inside = np.zeros(volume.shape, bool)
    inside[3:11, 4:15] = True
    tifffile.imwrite(tmp_path / "m.tif", inside.astype(np.uint8), photometric="minisblack")
    found = result(capsys, *arguments, "--mask", tmp_path / "m.tif", "-o", tmp_path / "o.tif")
    assert found["outside"] == (~inside).sum()
    assert complaint(capsys, *arguments, "-o", tmp_path / "o.png") == (
        f"{tmp_path / 'o.png'}: a volume is written as a .tif, a page a slice")
    assert "give one of the two" in complaint(
        capsys, *arguments, "--page", "2", "-o", tmp_path / "new.tif")


def test_alpha_by_option(tmp_path, capsys):
    four = np.dstack([RGB, np.where(RGB[..., 0] > 60, 200, 0).astype(np.uint8)])
    Image.fromarray(four).save(tmp_path / "a.png")
    arguments = ["segment", tmp_path / "a.png", "-k", "2", "-o", tmp_path / "o.png", "--force"]
    found = result(capsys, *arguments)
    assert found["transparent"] == (four[..., 3] == 0).sum() and found["channels"] == 3
    found = result(capsys, *arguments, "--alpha", "no")
    assert found["transparent"] == 0 and found["channels"] == 4
    Image.fromarray(four[..., 0]).save(tmp_path / "grey.png")
    assert "has one channel, which cannot be alpha" in complaint(
        capsys, "segment", tmp_path / "grey.png", "-o", tmp_path / "new.png", "--alpha", "yes")
    four[..., 3] = 0
    Image.fromarray(four).save(tmp_path / "a.png")
    assert "--alpha no" in complaint(capsys, *arguments)
    # a fourth band that GDAL called alpha
    four[..., 3] = RGB[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", four, photometric="rgb", extrasamples=["unassalpha"],
                     extratags=tags(places=PLACES))
    arguments[1], arguments[-2] = tmp_path / "a.tif", tmp_path / "o.tif"
    assert ["--alpha no makes it one" in text for text in result(capsys, *arguments)["warnings"]
            ] == [True]
    assert result(capsys, *arguments, "--alpha", "yes")["warnings"] == []


def test_options_of_the_fit(tmp_path, capsys):
    Image.fromarray(GREY).save(tmp_path / "g.png")
    found = result(capsys, "segment", tmp_path / "g.png", "-k", "3", "-o", tmp_path / "o.png",
                   "--starts", "3", "--tol", "1e-6", "--max-iter", "500", "--reg-covar", "1e-5")
    wanted = segment_image(GREY, 3, n_init=3, tol=1e-6, max_iter=500, reg_covar=1e-5,
                           random_state=0)
    assert found["iterations"] == wanted.n_iter
    np.testing.assert_array_equal([s["color"] for s in found["segments"]], wanted.colors)
    assert run("segment", tmp_path / "g.png", "-k", "3", "-o", tmp_path / "o.png", "--force",
               "--max-iter", "1", "--starts", "1", "--quiet") == 0
    said = capsys.readouterr().err
    assert "--max-iter" in said and said.count("\n") == 1
    assert "max_iter" not in said and "n_init" not in said


def test_one_colour_and_two(tmp_path, capsys):
    Image.fromarray(np.full((8, 9, 3), 200, np.uint8)).save(tmp_path / "one.png")
    found = result(capsys, "segment", tmp_path / "one.png", "-k", "auto", "-o", tmp_path / "o.png")
    assert found["k"] == 1 and found["segments"][0]["color"] == [200, 200, 200]
    two = np.full((8, 9), 30, np.uint8)
    two[:, 4:] = 220
    Image.fromarray(two).save(tmp_path / "two.png")
    found = result(capsys, "segment", tmp_path / "two.png", "-k", "2:8", "--force", "-o",
                   tmp_path / "o.png")
    assert [s["color"] for s in found["segments"]] == [[30], [220]]
    assert found["warnings"] == ["only 2 different pixels take part, so that no number of segments "
                                 "above 2 is tried"]
    assert "-k 5 is too many: all pixels that take part are the same" in complaint(
        capsys, "segment", tmp_path / "one.png", "-o", tmp_path / "new.png")


def test_seeds_name_the_segments(tmp_path, capsys):
    seeds = np.full(GREY.shape, 255, np.uint8)
    seeds[22:27, 16:25] = 1
    seeds[:4] = 0
    Image.fromarray(GREY).save(tmp_path / "g.png")
    Image.fromarray(seeds).save(tmp_path / "seeds.png")
    found = result(capsys, "segment", tmp_path / "g.png", "-k", "2", "--labels",
                   tmp_path / "seeds.png", "-o", tmp_path / "o.png")
    labels = np.where(seeds == 255, -1, seeds.astype(int))
    wanted = segment_image(GREY, 2, labels=labels, random_state=0)
    np.testing.assert_array_equal([s["color"] for s in found["segments"]], wanted.colors)
