"""From the pixels of an image to the rows that a mixture or K-means sees."""

import numpy as np

from emkernels._extras import optional
from emkernels.data import Rows
from emkernels.image._nodata import CHUNK

TOLD = 1e-7         # least variance beside that of an image, in float32
CODE_BITS = 24      # of all channels together, for counting by a table
LAB = 100.0         # what Lab values are divided by


def read_pixels(raster, color_space="rgb", coordinates=0.0, counted=True):
    """Rows of features: one a distinct pixel where a table can count them, else one a pixel.

    Parameters
    ----------
    raster : Raster
    color_space : {'rgb', 'lab'}
    coordinates : float
        Above 0, coordinates join the features, and rows do not repeat.
    counted : bool
        False: a row for every pixel in any case.

    Returns
    -------
    CountedPixels or AllPixels
        Both have `values` (n_rows, n_channels), as in the image; `rows` (n_rows, n_features);
        `weight` (n_rows,) or None; `reg_covar`, a variance below what the image can show;
        ``spread(per_row, out)``, ``colours(means)``, ``features_of(colours)`` and
        ``n_distinct(enough)``.
    """
    features = _Features(raster, color_space)
    whole = raster.values.dtype.kind != "f"
    bits = max(1, (raster.high - raster.low).bit_length()) if whole else CODE_BITS + 1
    if counted and bits * raster.values.shape[1] <= CODE_BITS and coordinates == 0:
        return CountedPixels(raster, features, bits)
    return AllPixels(raster, features, coordinates)


def _check_colours(raster):
    """ValueError for what Lab cannot be had of."""
    if raster.values.shape[1] != 3:
        raise ValueError(
            "color_space='lab' needs the 3 channels of an RGB image, this one has "
            f"{raster.values.shape[1]}")
    if raster.divisor is None:
        for part, block in raster.blocks():
            outside = np.argwhere((block < 0) | (block > 1))
            if len(outside):
                found, channel = outside[0]
                raise ValueError(
                    "color_space='lab' needs floats between 0 and 1, but "
                    f"{raster.pixel(part, found, channel)} is {block[found, channel]:.6g}")
    elif raster.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            "color_space='lab' needs uint8, uint16 or floats between 0 and 1, got "
            f"{raster.dtype}")


class _Features:
    """Colour features of values: integers divided, Lab where asked for."""

    def __init__(self, raster, color_space):
        self.divisor = raster.divisor
        self.rgb2lab = self.lab2rgb = None
        wide = raster.values.dtype.kind == "f" and raster.values.dtype.itemsize == 8
        largest = max(abs(raster.low), abs(raster.high))
        # float32 holds integers up to 2^24, and squares of floats up to about 1e38
        wide |= largest > (1e15 if raster.divisor is None else 2**24)
        self.dtype = np.float64 if wide else np.float32
        if color_space == "lab":
            _check_colours(raster)
            color = optional("skimage.color", "color_space='lab'", "image")
            self.rgb2lab, self.lab2rgb = color.rgb2lab, color.lab2rgb

    def __call__(self, values, dtype=None):
        """Rows of values as features; a view where nothing is to be done."""
        dtype = self.dtype if dtype is None else dtype
        if self.divisor is None and self.rgb2lab is None:
            return values.astype(dtype, copy=False)
        out = np.empty(values.shape, dtype)
        for first in range(0, len(values), CHUNK):
            part = slice(first, first + CHUNK)
            block = values[part].astype(np.float64)
            if self.divisor is not None:
                block /= self.divisor
            out[part] = block if self.rgb2lab is None else self.rgb2lab(block) / LAB
        return out


    def inverse(self, rows):
        """Values in the image's units of rows of colour features, float64."""
        rows = np.asarray(rows, np.float64)
        if self.lab2rgb is not None:
            rows = self.lab2rgb(rows * LAB)
        return rows if self.divisor is None else rows * self.divisor


class _Colours:
    _checked = None

    def features_of(self, colours):
        """Features, float64, of colours in the image's units."""
        return np.asarray(self._features(colours, np.float64), np.float64)

    @property
    def checked(self):
        """The rows, read once."""
        if self._checked is None:
            self._checked = Rows.read(self.rows)
        return self._checked


class CountedPixels(_Colours):
    """Distinct pixels of integers and how often each occurs.

    The channels of a pixel, less the smallest value, are packed into one code of `bits` each.
    """

    def __init__(self, raster, features, bits):
        self.raster, self.bits = raster, bits
        n_channels = raster.values.shape[1]
        self._low = np.uint64(raster.low % 2**64)       # arithmetic modulo 2^64 knows no sign
        self._row_of_code = self._row_of_pixel = None
        n_codes = 1 << bits * n_channels
        if raster.n_pixels < n_codes // 16:     # a table would be larger than the image
            codes, self._row_of_pixel, counts = np.unique(
                np.concatenate([codes for _, codes in self._codes()]), return_inverse=True,
                return_counts=True)
        else:
            table = np.zeros(n_codes, np.uint32 if raster.n_pixels < 2**32 else np.uint64)
            for _, codes in self._codes():
                np.add.at(table, codes, table.dtype.type(1))
            codes = np.flatnonzero(table)
            counts = table[codes]
            table[codes] = np.arange(len(codes), dtype=table.dtype)
            self._row_of_code = table           # the same memory, from now on
        self.weight = counts.astype(np.float64)
        self.values = np.empty((len(codes), n_channels), raster.values.dtype)
        for channel in range(n_channels - 1, -1, -1):
            digit = (codes & ((1 << bits) - 1)).astype(np.uint64) + self._low
            self.values[:, channel] = digit.astype(raster.values.dtype)
            codes >>= bits
        self.rows, self._features = features(self.values), features
        self.reg_covar = _rounding_variance(raster, self.rows) or 1e-6 * mean_variance(self.rows)

    def _codes(self):
        for part, block in self.raster.blocks():
            codes = np.zeros(len(block), np.uint64)
            for channel in range(block.shape[1]):
                codes <<= np.uint64(self.bits)
                codes |= block[:, channel].astype(np.uint64) - self._low
            yield part, codes.astype(np.intp)

    def spread(self, per_row, out):
        """Write what every row has to its pixels; out (n_pixels, ...) keeps what it holds
        outside of the mask."""
        inside = self.raster.inside
        if self._row_of_pixel is not None:
            out[... if inside is None else inside] = per_row[self._row_of_pixel]
            return
        for part, codes in self._codes():
            found = per_row[self._row_of_code[codes]]
            if inside is None:
                out[part] = found
            else:
                out[part][inside[part]] = found

    def onto_grid(self):
        """Features of every pixel, zeros outside of the mask; the rows are given up for them."""
        out = np.zeros((self.raster.n_pixels, self.rows.shape[1]), self.rows.dtype)
        self.spread(self.rows, out)
        self.rows = self.values = self.weight = self._row_of_code = self._row_of_pixel = None
        self._checked = None
        return out

    def colours(self, means):
        """Means of features in the image's units."""
        return self._features.inverse(means)

    def n_distinct(self, enough):
        return len(self.rows)


class AllPixels(_Colours):
    """A row for every pixel inside of the mask."""

    weight = None

    def __init__(self, raster, features, coordinates):
        self.raster = raster
        self.values = raster.values if raster.inside is None else raster.values[raster.inside]
        self.rows, self._features = features(self.values), features
        self.with_coordinates = coordinates > 0
        self.reg_covar = _rounding_variance(raster, self.rows)
        if self.reg_covar is None or self.with_coordinates:
            variance = mean_variance(self.rows)
            span = coordinates * (np.sqrt(12 * variance) if variance else 1.0)
            if self.reg_covar is None:
                self.reg_covar = 1e-6 * (variance or span**2 / 12)
            if self.with_coordinates:
                self._join_coordinates(span)

    def _join_coordinates(self, span):
        """Features and coordinates side by side; the longest side is `span` long."""
        raster, colours = self.raster, self.rows
        n_colours, n_axes = colours.shape[1], len(raster.shape)
        step = span / max(max(raster.shape) - 1, 1)
        self.rows = np.empty((len(colours), n_colours + n_axes), colours.dtype)
        self.rows[:, :n_colours] = colours
        row = 0
        for first in range(0, raster.n_pixels, CHUNK):
            pixels = np.arange(first, min(first + CHUNK, raster.n_pixels))
            if raster.inside is not None:
                pixels = pixels[raster.inside[first : first + CHUNK]]
            place = np.unravel_index(pixels, raster.shape)
            for axis in range(n_axes):
                self.rows[row : row + len(pixels), n_colours + axis] = place[axis] * step
            row += len(pixels)

    def spread(self, per_row, out):
        """Write what every row has to its pixel; out (n_pixels, ...) keeps what it holds
        outside of the mask."""
        if self.raster.inside is None:
            out[...] = per_row
        else:
            out[self.raster.inside] = per_row

    def onto_grid(self):
        """Features of every pixel, zeros outside of the mask; the rows are given up for them."""
        rows, self.rows, self.values, self._checked = self.rows, None, None, None
        if self.raster.inside is None:
            return rows
        out = np.zeros((self.raster.n_pixels, rows.shape[1]), rows.dtype)
        self.spread(rows, out)
        return out

    def colours(self, means):
        """Means of features in the image's units, without coordinates."""
        return self._features.inverse(means[:, : self.raster.values.shape[1]])

    def n_distinct(self, enough):
        """How many different rows there are, rows of NaN alone left out; counted up to
        `enough`."""
        if self.with_coordinates:
            return len(self.rows)
        found = []
        for first in range(0, len(self.rows), CHUNK):
            rest = self.rows[first : first + CHUNK]
            rest = rest[~np.isnan(rest).all(axis=1)] if self.raster.has_nan else rest
            for row in found:
                rest = rest[_differ(rest, row)]
            while len(rest) and len(found) < enough:
                found.append(rest[0].copy())
                rest = rest[_differ(rest, rest[0])]
            if len(found) == enough:
                break
        return len(found)


def _rounding_variance(raster, rows):
    """The variance of rounding to integers, in units of the features (a step of Lab is about as
    long), and of wide ones what float32 can tell; None where nothing was rounded: floats and
    bool."""
    if raster.divisor is None or raster.is_bool:
        return None
    rounding = 1 / raster.divisor**2 / 12
    return rounding if raster.divisor <= 255 else max(rounding, TOLD * mean_variance(rows))


def _differ(rows, row):
    return ~((rows == row) | (np.isnan(rows) & np.isnan(row))).all(axis=1)


def mean_variance(rows):
    """Mean over the columns of their variance, NaN left out."""
    mean = _column_means(rows, lambda block: block)
    return float(_column_means(rows, lambda block: (block - mean) ** 2).mean())


def _column_means(rows, of):
    counts, sums = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for first in range(0, len(rows), CHUNK):
        block = of(rows[first : first + CHUNK].astype(np.float64))
        known = ~np.isnan(block)
        counts += known.sum(axis=0)
        sums += block.sum(axis=0, where=known)
    return sums / counts
