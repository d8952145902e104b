"""What a segmentation found."""

from numbers import Real

import numpy as np

from emkernels._results import Result, Table
from emkernels.image import _view as view
from emkernels.image._pixels import read_pixels
from emkernels.image._raster import CHUNK
from emkernels.image._smoothing import keep_known
from emkernels.models.mixture.fitted import responsibilities_of
from emkernels.plotting import plot_segmentation

ROWS_OF_REPR = 20


class Segmentation(Result):
    """The segments of a picture; printed, their colours, their shares and how they were made.

    Attributes
    ----------
    image : ndarray
        As it was passed; it is not copied.
    labels : ndarray of int32, of the image's shape without channels
        The segment of each pixel, -1 outside of the mask and where there are no data.
    n_segments : int
    n_nodata : int
        Pixels of which no channel is known: NaN, `nodata` or masked (with 'lab', not all).
    colors : ndarray of shape (n_segments, n_channels), float64
        Mean of each segment's pixels in the image's units, NaN left out; of a segment without
        pixels that of its component. Alpha is not among the channels.
    sizes : ndarray of shape (n_segments,), int64
        Pixels of each segment.
    fractions : ndarray of shape (n_segments,)
        Their shares of all pixels that take part.
    posteriors : ndarray of float32, the image's shape without channels and then n_segments
        Probability of each segment in each pixel, zero where the label is -1; for K-means 1 for
        the pixel's segment. Computed anew at each access, from `image` as it then is, unless
        there is smoothing.
    model : GaussianMixture or KMeans
        Component k is segment k. Its features are the channels, integers divided by the
        largest value of their type (wider than 16 bits: by the largest absolute value there
        is), or Lab values divided by 100; then the coordinates, where they take part.
        ``model.predict`` gives the labels, but for smoothing.
    method : str
    smoothness : float
    selection : SelectionResult or None
        How the number of segments was chosen, where there were several to choose from. With
        smoothing its `best` is the fit before.
    n_iter : int
    converged : bool
    lower_bounds : list of float
        Objective of each iteration for one pixel: the log-likelihood, with smoothing that
        given the neighbours, which may fall a little; for K-means only minus the final inertia.

    See Also
    --------
    segment_image : What makes it.
    emkernels.plotting.plot_segmentation : Picture, segments and their overlay.
    emkernels.plotting.plot_posteriors : How sure each pixel is.

    Examples
    --------
    >>> from emkernels import segment_image
    >>> result = segment_image([[10, 12, 90, 91], [11, 9, 92, 89]], 2, random_state=0)
    >>> result
    Segmentation of 2 x 4 pixels into 2 by EM (converged, 2 iterations)
    segment    share      pixels  colour
          0   50.0 %           4  10.5
          1   50.0 %           4  90.5
    >>> result.labels
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]], dtype=int32)
    >>> result.recolored()[0, 3]
    array([250, 250, 250], dtype=uint8)
    """

    def __init__(self, image, raster, labels, colors, sizes, model, method, *, options,
                 smoothness=0.0, selection=None, field=None, known=None):
        self.image, self.labels, self.colors, self.sizes = image, labels, colors, sizes
        self.model, self.method = model, method
        self.smoothness, self.selection = smoothness, selection
        self.n_segments = len(sizes)
        self.fractions = sizes / sizes.sum()
        self.n_iter = int(model.n_iter_)
        if method == "em":
            self.converged = bool(model.converged_)
            self.lower_bounds = list(model.lower_bounds_)
        else:
            self.converged = model.converged_
            self.lower_bounds = [-float(model.inertia_) / float(sizes.sum())]
        self._raster = raster
        self._options = options     # of read_pixels
        self._field = field         # posteriors that smoothing has made
        self._known = known         # segments of pixels that the user knew, -1 for the others
        self.n_nodata = raster.n_nodata

    @property
    def posteriors(self):
        """Probability of each segment for each pixel, made when asked for.

        An ndarray of the shape of `labels` and then n_segments; zeros and ones of K-means, zeros of
        pixels that are left out.
        """
        shape = (*self.labels.shape, self.n_segments)
        if self._field is not None:
            return self._field.reshape(shape)
        out = np.zeros((self._raster.n_pixels, self.n_segments), np.float32)
        if self.method == "kmeans":
            labels = self.labels.reshape(-1)
            for first in range(0, len(labels), CHUNK):
                part = labels[first : first + CHUNK, None]
                out[first : first + CHUNK] = part == np.arange(self.n_segments)
            return out.reshape(shape)
        pixels = read_pixels(self._raster, **self._options)
        pixels.spread(responsibilities_of(self.model, pixels.checked), out)
        if self._known is not None:
            keep_known(out, self._known)
        return out.reshape(shape)

    # --- pictures ------------------------------------------------------------------------

    def displayed(self):
        """The image as people see it.

        Returns
        -------
        ndarray of uint8, the image's shape without channels and then 3
            Values of uint8 and bool as they are, floats too where all are between 0 and 1. Others
            are stretched between their `limits`. The first three channels are red, green and
            blue; of one or two channels the first is grey. A channel that is NaN is a medium
            grey, a pixel without data light blue, and so is one of alpha 0, whatever colour it
            hides.
        """
        out = view.to_rgb(self._raster, self._raster.values)
        if self._raster.clear is not None:
            out[self._raster.clear] = view.OUTSIDE
        out = out.reshape(*self.labels.shape, 3)
        out[self.without_data] = view.OUTSIDE
        return out

    @property
    def limits(self):
        """The values of the image that are shown as black and as white, a pair of float.

        Percentiles 0.5 and 99.5 of what takes part, of every channel alike (of a million values,
        where there are more); None where the image is shown as it is.
        """
        return view.limits(self._raster)

    @property
    def without_data(self):
        """Pixels of which no channel is known, an ndarray of bool of the shape of `labels`."""
        known = self._raster.known
        return np.zeros(self.labels.shape, bool) if known is None else (
            ~known.reshape(self.labels.shape))

    @property
    def lines(self):
        """Where :meth:`overlay` draws lines, unless it is told to or not to.

        An ndarray of bool, of the shape of `labels`. Lines are the last pixels of segments, along
        rows and columns; none is drawn on a part of a segment that is less than 3 pixels thick, and
        none at all where the last pixels are a quarter of all.
        """
        return view.lines(self.labels)

    def recolored(self):
        """The image with every pixel in the colour of its segment.

        Returns
        -------
        ndarray of uint8, the image's shape without channels and then 3
            Colours as in :meth:`displayed`; light blue (181, 205, 227) outside of the mask and
            where there are no data.
        """
        # label -1 takes the last row
        outside = np.array([view.OUTSIDE], np.uint8)
        return np.vstack([view.to_rgb(self._raster, self.colors), outside])[self.labels]

    def overlay(self, alpha=0.5, boundaries=None, colors=None):
        """The image tinted by segment, with lines between segments.

        Parameters
        ----------
        alpha : float
            0: the image alone; 1: the tints alone.
        boundaries : bool, optional
            Draw the last pixel of a segment, along rows and columns, white. None: only `lines`,
            which hide neither thin segments nor the tints.
        colors : array-like of shape (n_segments, 3), optional
            Tints: integers from 0 to 255 or floats from 0 to 1. By default
            :func:`emkernels.plotting.component_colors`.

        Returns
        -------
        ndarray of uint8, the image's shape without channels and then 3
            Red, green and blue.

        Raises
        ------
        ValueError
            An `alpha` outside of 0 .. 1; another number of colours than of segments.
        """
        if not isinstance(alpha, Real) or not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be between 0 and 1, got {alpha!r}")
        tints = view.tints(colors, self.n_segments)
        out = self.displayed().reshape(-1, 3)
        labels = self.labels.reshape(-1)
        for first in range(0, len(labels), CHUNK):
            part = labels[first : first + CHUNK]
            inside = part >= 0
            block = out[first : first + CHUNK]
            mixed = (1 - alpha) * block[inside] + alpha * tints[part[inside]]
            block[inside] = np.rint(mixed)
        out = out.reshape(*self.labels.shape, 3)
        if boundaries is None:
            out[self.lines] = 255
        elif boundaries:
            out[view.boundaries(self.labels)] = 255
        return out

    def plot(self, axes=None, **options):
        """Draw the image, the segments and their overlay.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            None: those of a new figure.
        **options
            Those of :func:`emkernels.plotting.plot_segmentation`.

        Returns
        -------
        ndarray of Axes
            The three that were drawn on.
        """
        return plot_segmentation(self, axes=axes, **options)

    def _tables(self):
        channels = [("colour", self.colors[:, 0])] if self.colors.shape[1] == 1 else [
            (f"channel {j}", values) for j, values in enumerate(self.colors.T)]
        return [Table([("segment", np.arange(self.n_segments)), ("share", self.fractions),
                       ("pixels", self.sizes), *channels])]

    def _headline(self):
        return str(self).partition("\n")[0]

    def __str__(self):
        how = "K-means" if self.method == "kmeans" else "EM"
        state = "converged" if self.converged else "not converged"
        more = f"smoothness {self.smoothness:g}, " if self.smoothness else ""
        size = " x ".join(map(str, self.labels.shape))
        lines = [
            f"Segmentation of {size} pixels into {self.n_segments} by {how} ({more}{state}, "
            f"{self.n_iter} iterations)",
            f"{'segment':>7}  {'share':>7}  {'pixels':>10}  colour",
        ]
        for k in range(min(self.n_segments, ROWS_OF_REPR)):
            colour = ", ".join(f"{value:.4g}" for value in self.colors[k])
            lines.append(
                f"{k:7d}  {100 * self.fractions[k]:5.1f} %  {self.sizes[k]:10d}  {colour}")
        if self.n_segments > ROWS_OF_REPR:
            lines.append(f"    ... {self.n_segments - ROWS_OF_REPR} more")
        if self.n_nodata:
            lines.append(f"no data            {self.n_nodata:10d}")
        return "\n".join(lines)
