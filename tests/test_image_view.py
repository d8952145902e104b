"""Segmentations as pictures and as text."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from phantoms import as_uint8, ball, colours, discs

from emkernels import segment_image
from emkernels.image._view import boundaries, lines
from emkernels.plotting import component_colors

plt.switch_backend("Agg")


def test_displayed_as_it_is():
    image = as_uint8(colours(0.1)[0])
    np.testing.assert_array_equal(segment_image(image, 3, random_state=0).displayed(), image)
    floats = np.clip(colours(0.1)[0], 0, 1)
    np.testing.assert_array_equal(
        segment_image(floats, 3, random_state=0).displayed(), np.rint(floats * 255))
    grey = as_uint8(discs(0.1)[0])
    shown = segment_image(grey, 3, random_state=0).displayed()
    np.testing.assert_array_equal(shown, np.repeat(grey[..., None], 3, axis=-1))
    mask = grey > 100
    np.testing.assert_array_equal(
        segment_image(mask, 2, random_state=0).displayed()[..., 0], 255 * mask)


@pytest.mark.parametrize("dtype", ["i2", "u2", "i8", "f4"])
def test_displayed_stretched(dtype):
    image = (1000 * discs(0.1)[0] + 500).astype(dtype)
    image[0, :2] = 30000, 3
    image[20, 20] = 32767       # a hot pixel, which takes part
    mask = np.ones(image.shape, bool)
    mask[0, :2] = False         # outside: clipped
    result = segment_image(image, 3, mask=mask, random_state=0)
    shown = result.displayed()
    low, high = np.percentile(image[mask], [0.5, 99.5])
    np.testing.assert_allclose(result.limits, (low, high), rtol=1e-6)
    expected = np.clip((image.astype(float) - low) / (high - low), 0, 1) * 255
    np.testing.assert_allclose(shown[..., 1], expected, atol=0.51)
    assert shown[0, 0, 0] == 255 and shown[0, 1, 0] == 0
    assert (shown < 3).mean() < 0.02


def test_limits():
    mostly = np.full((100, 100), 7, np.int16)
    mostly[5, 5:20] = 90        # less than half a percent
    result = segment_image(mostly, 2, random_state=0)
    assert result.limits == (7, 90)
    assert (result.displayed()[5, 5:20] == 255).all() and result.displayed()[0, 0, 0] == 0
    np.testing.assert_array_equal(result.recolored(), result.displayed())
    assert segment_image(discs(0.0)[0], 3, random_state=0).limits is None
    assert segment_image(as_uint8(discs(0.1)[0]), 3, random_state=0).limits is None
    many = np.random.default_rng(0).normal(0, 50, (700, 900, 3)).astype(np.float32)
    low, high = segment_image(many, 1, random_state=0).limits     # of a sample
    assert abs(low / -128.8 - 1) < 0.02 and abs(high / 128.8 - 1) < 0.02


def test_displayed_channels_and_nan():
    image = np.concatenate([colours(0.05)[0], discs(0.05, shape=(40, 60))[0][..., None]], axis=-1)
    image = np.clip(image, 0, 1)
    image[2, 3, 1] = np.nan
    shown = segment_image(image, 3, channel_axis=-1, random_state=0).displayed()
    assert shown.shape == (40, 60, 3) and shown[2, 3, 1] == 128
    np.testing.assert_array_equal(shown[5:], np.rint(255 * image[5:, :, :3]))
    shown = segment_image(image[..., 2:], 3, channel_axis=-1, random_state=0).displayed()
    np.testing.assert_array_equal(shown, np.rint(255 * image[..., [2, 2, 2]]))


@pytest.mark.parametrize("dtype, nodata", [("u1", 7), ("i2", -999), ("f4", -999), ("f8", np.nan)])
def test_no_data_is_drawn_as_no_data(dtype, nodata):
    image = as_uint8(discs(0.1)[0]).astype(dtype)
    mask = np.ones(image.shape, bool)
    mask[:, :4] = False
    image[:9] = nodata
    gone = np.zeros(image.shape, bool)
    gone[:9] = True
    result = segment_image(image, 3, mask=mask, nodata=nodata, random_state=0)
    np.testing.assert_array_equal(result.without_data, gone)
    np.testing.assert_array_equal(result.labels < 0, gone | ~mask)
    blue = (181, 205, 227)
    for picture, there in ((result.displayed(), gone), (result.overlay(), gone),
                           (result.recolored(), gone | ~mask)):
        np.testing.assert_array_equal((picture == blue).all(axis=-1), there)
    # what is not known is no part of the stretch
    assert result.limits is None if dtype == "u1" else result.limits[0] > 0
    axes = result.plot()
    for ax, there in zip(axes, (gone, gone | ~mask, gone)):
        np.testing.assert_array_equal(ax.images[0].get_array()[..., 3] == 0, there)
    plt.close("all")
    assert not segment_image(image[9:], 3, random_state=0).without_data.any()


def test_recolored():
    image = as_uint8(colours(0.1)[0])
    mask = np.ones(image.shape[:2], bool)
    mask[3:6] = False
    result = segment_image(image, 3, mask=mask, random_state=0)
    out = result.recolored()
    assert out.dtype == np.uint8 and out.shape == image.shape
    assert (out[3:6] == (181, 205, 227)).all()
    np.testing.assert_array_equal(out[mask], np.rint(result.colors)[result.labels[mask]])
    volume = segment_image(ball(0.1)[0], 2, channel_axis=None, random_state=0)
    assert volume.recolored().shape == volume.overlay().shape == (*volume.labels.shape, 3)


def test_overlay():
    image = as_uint8(discs(0.2)[0])
    mask = np.ones(image.shape, bool)
    mask[:, :5] = False
    result = segment_image(image, 3, mask=mask, random_state=0)
    shown = result.displayed()
    np.testing.assert_array_equal(result.overlay(0, boundaries=False), shown)
    tints = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 0.2]])
    whole = result.overlay(1, boundaries=False, colors=tints)
    np.testing.assert_array_equal(whole[mask], np.rint(255 * tints)[result.labels[mask]])
    np.testing.assert_array_equal(whole[~mask], shown[~mask])
    np.testing.assert_array_equal(
        result.overlay(1, False, (255 * tints).astype(int)), whole)
    half = result.overlay(boundaries=True)
    line = boundaries(result.labels)
    assert not line[:, :5].any()        # outside of the mask nothing is drawn
    assert (half[line] == 255).all()
    # lines all over the picture are left out unless they are asked for
    assert line.mean() > 0.25
    np.testing.assert_array_equal(result.overlay(), result.overlay(boundaries=False))
    assert not result.lines.any()
    calm = segment_image(discs(0.01)[0], 3, random_state=0)
    np.testing.assert_array_equal((calm.overlay() == 255).all(axis=-1), calm.lines)
    assert calm.lines.any() and not (calm.lines & ~boundaries(calm.labels)).any()
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got 'x'"):
        calm.overlay(alpha="x")
    expected = 0.5 * shown + 0.5 * 255 * component_colors(3)[result.labels]
    np.testing.assert_allclose(half[mask & ~line], expected[mask & ~line], atol=0.51)


def test_boundaries():
    labels = np.zeros((5, 6), int)
    labels[1:3, 2:4] = 1
    expected = np.zeros((5, 6), bool)
    expected[0, 2:4] = expected[1:3, 1] = expected[1:3, 3] = expected[2, 2] = True
    np.testing.assert_array_equal(boundaries(labels), expected)
    # the planes of a volume are looked at one by one
    np.testing.assert_array_equal(boundaries(np.stack([labels, 0 * labels])),
                                  np.stack([expected, 0 * expected]))


def test_lines_cover_no_thin_segment():
    labels = np.zeros((30, 40), np.int32)
    labels[:, 10] = 1               # a pixel wide
    labels[:, 20:22] = 1
    labels[:, 30:33] = 1
    expected = np.zeros(labels.shape, bool)
    expected[:, [9, 19, 29, 32]] = True     # the ground, and the last pixel of three
    np.testing.assert_array_equal(lines(labels), expected)
    np.testing.assert_array_equal(lines(labels.T), expected.T)
    np.testing.assert_array_equal(lines(labels[:1]), expected[:1])
    np.testing.assert_array_equal(lines(np.stack([labels, 0 * labels])),
                                  np.stack([expected, 0 * expected]))
    # strokes keep their tint
    image = np.where(labels == 1, 30, 200).astype(np.uint8)
    result = segment_image(image, 2, random_state=0)
    shown = result.overlay(1)
    stroke = np.rint(255 * component_colors(2)[0])
    assert (shown[:, [10, 20, 21, 30, 31]] == stroke).all()
    assert (shown[:, 9] == 255).all()


def test_plot():
    result = segment_image(as_uint8(discs(0.1)[0]), 3, random_state=0)
    axes = result.plot()
    np.testing.assert_array_equal(axes[1].images[0].get_array(), result.recolored())
    plt.close(axes[0].figure)
    figure, own = plt.subplots(1, 3)
    assert list(result.plot(axes=own)) == list(own)
    plt.close(figure)


@pytest.mark.parametrize("options, message", [
    ({"alpha": 1.5}, r"alpha must be between 0 and 1, got 1\.5"),
    ({"colors": [[0, 0, 0]]}, r"colors must have shape \(3, 3\), got \(1, 3\)"),
    ({"colors": np.full((3, 3), 1.5)}, r"integers from 0 to 255 or floats from 0 to 1"),
    ({"colors": np.full((3, 3), 300)}, r"integers from 0 to 255"),
    ({"colors": np.full((3, 3), "red")}, r"integers from 0 to 255"),
])
def test_bad_overlays(options, message):
    result = segment_image(as_uint8(discs(0.1)[0]), 3, random_state=0)
    with pytest.raises(ValueError, match=message):
        result.overlay(**options)


def test_text():
    image = as_uint8(discs(0.05)[0])
    text = repr(segment_image(image, 3, smoothness=1.0, random_state=0))
    first, header, *rows = text.split("\n")
    assert first.startswith("Segmentation of 48 x 64 pixels into 3 by EM (smoothness 1, converged")
    assert header.split() == ["segment", "share", "pixels", "colour"]
    result = segment_image(image, 3, "kmeans", random_state=0)
    first, header, *rows = repr(result).split("\n")
    assert "by K-means (converged, " in first and len(rows) == 3
    for k, row in enumerate(rows):
        number, share, percent, pixels, colour = row.split()
        assert int(number) == k and percent == "%" and int(pixels) == result.sizes[k]
        assert float(colour) == pytest.approx(result.colors[k, 0], abs=0.1)
        assert float(share) == pytest.approx(100 * result.fractions[k], abs=0.06)
    many = repr(segment_image(image, 30, "kmeans", random_state=0))
    assert many.endswith("... 10 more") and len(many.split("\n")) == 23


def test_what_alpha_hides_is_not_shown():
    """The colours of transparent pixels are arbitrary, and often black."""
    image = np.full((6, 8, 4), 200, np.uint8)
    image[:, 4:, :3] = 90
    image[:2] = 0
    result = segment_image(image, 2, random_state=0)
    for picture in (result.displayed(), result.overlay(boundaries=False), result.recolored()):
        assert (picture[:2] == (181, 205, 227)).all()
        assert not (picture[2:] == (181, 205, 227)).all(axis=-1).any()
    assert (result.displayed()[2:] == image[2:, :, :3]).all()
    # a mask leaves out what people may see
    mask = np.ones((6, 8), bool)
    mask[3] = False
    assert (segment_image(image, 2, mask=mask, random_state=0).displayed()[3]
            == image[3, :, :3]).all()
