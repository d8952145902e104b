"""What segment_image says about arguments it cannot use, before any work."""

import sys
from unittest import mock

import numpy as np
import pytest
from phantoms import as_uint8, colours, discs

from emkernels import segment_image
from emkernels._extras import MissingExtraError
from emkernels.em import DegenerateFitError

GREY = as_uint8(discs(0.1)[0])
SPOILT = discs(0.1)[0]


def spoilt(value, *where, image=None):
    image = (SPOILT if image is None else image).copy()
    image[where] = value
    return image


@pytest.mark.parametrize("options, message", [
    ({"n_segments": 0}, r"n_segments must be 1 or more, and whole, got 0"),
    ({"n_segments": 2.5}, r"n_segments .* got 2\.5"),
    ({"n_segments": True}, r"n_segments .* got True"),
    ({"n_segments": None}, r"n_segments .* got None"),
    ({"n_segments": [2, -1]}, r"n_segments .* got -1"),
    ({"n_segments": []}, r"n_segments names no number"),
    ({"n_segments": "some"}, r"n_segments must be an int, several ints or 'auto', got 'some'"),
    ({"method": "gmm"}, r"method must be one of 'em', 'kmeans', got 'gmm'"),
    ({"color_space": "hsv"}, r"color_space must be one of 'rgb', 'lab', got 'hsv'"),
    ({"criterion": "dic"}, r"criterion must be one of 'bic', 'aic', 'icl', got 'dic'"),
    ({"smoothness": -1}, r"smoothness must be a number from 0 to 1e\+06, got -1"),
    ({"smoothness": np.nan}, r"smoothness must be a number from 0 to 1e\+06, got nan"),
    ({"smoothness": "1"}, r"smoothness must be a number from 0 to 1e\+06, got '1'"),
    ({"coordinates": np.inf}, r"coordinates must be a finite number of 0 or more, got inf"),
    ({"tol": -1}, r"'tol' parameter of segment_image must be"),
    ({"max_iter": 1.5}, r"'max_iter' parameter of segment_image must be"),
    ({"n_init": 0}, r"'n_init' parameter of segment_image must be"),
    ({"reg_covar": -1.0}, r"'reg_covar' parameter of segment_image must be"),
    ({"covariance_type": "round"}, r"'covariance_type' parameter of segment_image must be"),
    ({"n_threads": 0}, r"'n_threads' parameter of segment_image must be"),
    ({"callback": 1}, r"'callback' parameter of segment_image must be"),
    ({"random_state": "x"}, r"'random_state' parameter of segment_image must be"),
    ({"method": "kmeans", "n_init": 0}, r"'n_init' parameter of segment_image must be"),
    ({"method": "kmeans", "smoothness": 1}, r"smoothness needs method='em': method='kmeans'"),
    ({"method": "kmeans", "n_segments": "auto"}, r"method='kmeans' takes one n_segments: .*no "
                                                 "criterion"),
    ({"method": "kmeans", "n_segments": [2, 3]}, r"K-means has no likelihood"),
    ({"method": "kmeans", "callback": print}, r"callback sees iterations of EM"),
    ({"method": "kmeans", "labels": [[0]]}, r"labels need method='em'.*begin from means_init"),
    ({"n_segments": "auto", "labels": [[0]]}, r"labels need one n_segments"),
    ({"n_segments": [2, 3], "means_init": [[0]]}, r"means_init need one n_segments"),
    ({"means_init": [[0]] * 5, "coordinates": 1.0}, r"means_init are colours: with coordinates"),
])
def test_options(options, message):
    # the image is worse, but is not looked at yet
    with pytest.raises(ValueError, match=message):
        segment_image("no image", **options)


@pytest.mark.parametrize("image, options, error, message", [
    ("china.jpg", {}, TypeError, r"got the name 'china.jpg': read the file first"),
    (None, {}, TypeError, r"image must be an array .* object"),
    (GREY.astype(complex), {}, TypeError, r"got complex128"),
    (np.ma.masked_greater_equal(GREY, 0), {}, ValueError, r"every pixel .* without data .*masked"),
    (GREY, {"alpha": 1}, TypeError, r"alpha must be True, False or None, got 1"),
    (GREY, {"alpha": True}, ValueError, r"alpha=True needs a channel beside alpha"),
    (GREY, {"nodata": "0"}, ValueError, r"nodata must be a number or one for each of 1 channels"),
    (GREY, {"nodata": [0, 1]}, ValueError, r"nodata must be a number or one for each of 1"),
    (np.where(SPOILT > 0.7, 1e20, SPOILT), {}, ValueError,
     r"values of the image are exactly 1e\+20, .* say nodata=1e\+20"),
    (GREY, {"labels": np.zeros((3, 3), int)}, ValueError, r"labels must be integers of shape"),
    (GREY, {"labels": GREY / 2}, ValueError, r"labels must be integers of .* got float64"),
    (GREY, {"labels": np.where(GREY > 150, 5, -1)}, ValueError, r"from 0 to 4, or -1 .* has 5"),
    (GREY, {"labels": np.full(GREY.shape, -1)}, ValueError, r"-1 for every pixel"),
    (GREY, {"means_init": [[1], [2]]}, ValueError, r"means_init must have shape \(5, 1\), a row"),
    (GREY, {"means_init": [[np.nan]] * 5}, ValueError, r"means_init contains NaN"),
    (np.zeros((0, 5)), {}, ValueError, r"image is empty: its shape is \(0, 5\)"),
    (np.zeros(5), {}, ValueError, r"2 to 4 axes, got shape \(5,\)"),
    (np.zeros((1,) * 5), {}, ValueError, r"2 to 4 axes"),
    (GREY, {"channel_axis": 0}, ValueError, r"2 or 3 axes beside .* channel_axis=0"),
    (np.zeros((3, 3, 3, 3)), {"channel_axis": None}, ValueError, r"2 or 3 axes"),
    (GREY, {"channel_axis": 2}, ValueError, r"channel_axis=2 is not an axis of shape \(48, 64\)"),
    (GREY, {"channel_axis": "last"}, ValueError, r"channel_axis must be 'auto', None or an int"),
    (GREY, {"channel_axis": 1.0}, TypeError, r"channel_axis must be 'auto', None or an int"),
    (GREY, {"mask": GREY > 0, "channel_axis": "auto", "color_space": "lab"}, ValueError,
     r"color_space='lab' needs the 3 channels of an RGB image, this one has 1"),
    (GREY, {"mask": np.ones((3, 3), bool)}, ValueError,
     r"mask must be boolean of shape \(48, 64\).*got bool of shape \(3, 3\)"),
    (GREY, {"mask": GREY.astype(str)}, ValueError, r"mask must be boolean .* <U"),
    (GREY, {"mask": np.arange(GREY.size).reshape(GREY.shape)}, ValueError,
     r"mask has 1 beside 0 and 3071, .* make it boolean, for instance mask > 0"),
    (GREY, {"mask": np.where(GREY > 100, np.uint8(255), np.uint8(3))}, ValueError,
     r"mask has 3 beside 255"),
    (GREY, {"mask": np.zeros(GREY.shape, np.uint8)}, ValueError, r"mask is False everywhere"),
    (GREY, {"mask": np.zeros(GREY.shape, bool)}, ValueError, r"mask is False everywhere"),
    (np.zeros((4, 4, 4), np.uint8), {}, ValueError, r"every pixel .* transparent"),
    (np.full((4, 4), 7), {}, ValueError, r"n_segments=5 is too many: all pixels .* are the same"),
    (np.eye(4), {}, ValueError, r"n_segments=5 is too many: only 2 different pixels take part"),
    (GREY, {"mask": np.arange(GREY.size).reshape(GREY.shape) < 3}, ValueError, r"too many"),
    (spoilt(np.inf, 3, 4), {}, ValueError, r"image is infinite at pixel \(3, 4\); leave it out"),
    (spoilt(-np.inf, 3, 4, 2, image=colours(0.1)[0]), {}, ValueError,
     r"infinite at pixel \(3, 4\), channel 2"),
    (spoilt(np.nan, 3, 4, 1, image=colours(0.1)[0]), {"method": "kmeans"}, ValueError,
     r"NaN at pixel \(3, 4\), channel 1, which K-means cannot use; method='em' can, and a mask"),
    (spoilt(np.nan, ..., 1, image=colours(0.1)[0]), {}, ValueError,
     r"nothing but NaN in channel 1"),
    (np.full((4, 4), np.nan), {}, ValueError, r"every pixel .* is without data \(NaN\)"),
    (spoilt(1.5, 3, 4, 2, image=np.clip(colours(0.1)[0], 0, 1)), {"color_space": "lab"},
     ValueError, r"lab' needs floats between 0 and 1, but pixel \(3, 4\), channel 2 is 1\.5"),
    (np.ones((4, 4, 3), np.int64), {"color_space": "lab", "channel_axis": -1}, ValueError,
     r"lab' needs uint8"),
])
def test_images(image, options, error, message):
    with pytest.raises(error, match=message):
        segment_image(image, **{"n_segments": 5, **options})


def test_pixels_are_named_where_they_are_in_the_image():
    image = SPOILT.copy()
    image[20, 30] = image[21, 7] = np.inf
    mask = np.ones(image.shape, bool)
    mask[20] = mask[:, ::2] = False
    with pytest.raises(ValueError, match=r"pixel \(21, 7\)"):
        segment_image(image, mask=mask)
    volume = np.zeros((70, 80, 90))
    volume[60, 50, 40] = np.inf
    with pytest.raises(ValueError, match=r"pixel \(60, 50, 40\)"):
        segment_image(volume)


def test_collapse_says_what_to_do():
    for image in (np.repeat([[0, 9, 20]], 9, axis=0), np.repeat([[0.0, 0.3, 1]], 9, axis=0)):
        for more in ({}, {"smoothness": 1.0}):
            with pytest.raises(DegenerateFitError, match=r"Fewer segments or a larger reg_covar"):
                segment_image(image, 3, reg_covar=0.0, n_init=1, random_state=0, **more)
            assert segment_image(image, 3, random_state=0, **more).sizes.tolist() == [9, 9, 9]


def test_only_pixels_without_nan_can_be_smoothed():
    image = np.stack([SPOILT, SPOILT], axis=-1)
    image[::2, :, 0] = image[1::2, :, 1] = np.nan
    with pytest.raises(ValueError, match=r"every pixel has a NaN"):
        segment_image(image, 2, smoothness=1.0, channel_axis=-1, random_state=0)


def test_lab_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(MissingExtraError, match=r"color_space='lab' needs .*emkernels\[image\]"):
        segment_image(as_uint8(colours(0.1)[0]), color_space="lab")


def test_no_known_pixel_is_said_before_any_fit():
    image = np.random.default_rng(0).random((6, 8, 2))
    image[:, ::2, 0] = image[:, 1::2, 1] = np.nan
    with (mock.patch("emkernels.image._segment.fit_mixture", side_effect=AssertionError),
          pytest.raises(ValueError, match="every pixel has a NaN: smoothness needs")):
        segment_image(image, 2, channel_axis=-1, smoothness=1.0)


def test_few_known_pixels_leave_the_other_start():
    image = np.full((4, 12), np.nan)
    image[0, 0], image[3, 11], image[0, 11] = 0.1, 0.9, 0.5
    mask = ~np.isnan(image)
    mask[2, 5] = True
    with pytest.raises(ValueError, match="collapsed|n_segments"):
        segment_image(image, 4, smoothness=1.0, mask=mask, random_state=0)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_values_that_have_no_squares(scale):
    with pytest.raises(ValueError, match="rescale it"):
        segment_image(scale * np.random.default_rng(0).random((6, 8)), 2)


@pytest.mark.parametrize("smoothness", [1e7, np.inf])
def test_smoothness_beyond_measure(smoothness):
    with pytest.raises(ValueError, match="smoothness must be a number from 0 to 1e"):
        segment_image(np.random.default_rng(0).random((6, 8)), 2, smoothness=smoothness)


def test_kmeans_checks_what_it_does_not_use():
    with pytest.raises(ValueError, match="covariance_type must be one of"):
        segment_image(np.random.default_rng(0).random((6, 8)), 2, "kmeans",
                      covariance_type="bogus")
