"""Sections of compare.py about images."""

import _timing as timing
import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans as SklearnKMeans
from sklearn.mixture import GaussianMixture as SklearnMixture

from emkernels import segment_image

try:
    import cv2
except ImportError:
    cv2 = None
HAS_OPENCV_EM = hasattr(cv2, "ml")      # up to OpenCV 4


# --- images with a known truth --------------------------------------------------------------

def discs(size, noise, rng):
    """Grey discs of three shades on a dark ground, some of them thin rings."""
    place = np.indices((size, size)) / size
    truth = np.zeros((size, size), int)
    for k, (y, x, radius) in enumerate([(0.3, 0.3, 0.22), (0.7, 0.65, 0.24), (0.25, 0.75, 0.12),
                                        (0.75, 0.2, 0.13), (0.5, 0.5, 0.06)]):
        distance = np.hypot(place[0] - y, place[1] - x)
        truth[distance < radius] = 1 + k % 3
        truth[np.abs(distance - 1.25 * radius) < 0.012] = 1 + (k + 1) % 3
    return np.array([0.2, 0.4, 0.6, 0.8])[truth] + rng.normal(0, noise, truth.shape), truth


def blobs_and_stripes(size, noise, rng):
    """Colours: soft-edged blobs, stripes and ground, each with a texture of its own (brightness
    that wavers), so that no segment is of one colour."""
    place = np.indices((size, size)) / size
    field = gaussian_filter(rng.normal(size=(size, size)), size / 16)
    truth = np.where(field > 0.6 * field.std(), 1, 0)
    truth[(place.sum(axis=0) * 8).astype(int) % 4 == 3] = 2
    truth[field < -1.1 * field.std()] = 3
    colours = np.array([[0.25, 0.4, 0.25], [0.7, 0.35, 0.3], [0.35, 0.4, 0.7], [0.8, 0.75, 0.5]])
    texture = gaussian_filter(rng.normal(size=(size, size)), 2)
    image = colours[truth] + 0.05 * (texture / texture.std())[..., None]
    return image + rng.normal(0, noise, image.shape), truth


def balls(size, noise, rng):
    """A volume: a bright ball in a shell in a dark ground, and a small ball beside them."""
    place = np.indices((size, size, size)) / size
    distance = np.linalg.norm(place - np.array([0.5, 0.45, 0.5]).reshape(3, 1, 1, 1), axis=0)
    truth = np.where(distance < 0.3, 1, 0)
    truth[distance < 0.18] = 2
    truth[np.linalg.norm(place - 0.85, axis=0) < 0.08] = 2
    return np.array([0.25, 0.5, 0.75])[truth] + rng.normal(0, noise, truth.shape), truth


PHANTOMS = {      # make, size, small size, segments, channels, noise levels
    "discs": (discs, 256, 48, 4, 1, (0.05, 0.1, 0.2)),
    "colours": (blobs_and_stripes, 256, 48, 4, 3, (0.05, 0.15, 0.3)),
    "balls": (balls, 64, 16, 3, 1, (0.05, 0.15, 0.3)),
}


def as_photograph(image):
    """uint8, with room for the noise."""
    return np.clip(np.rint(255 * (0.2 + 0.6 * image)), 0, 255).astype(np.uint8)


def dice(labels, truth):
    """Mean of 2 |A and B| / (|A| + |B|) over the true segments, labels matched to them one by
    one so that it is largest."""
    n = max(labels.max(), truth.max()) + 1
    both = np.bincount((n * truth + labels).ravel(), minlength=n * n).reshape(n, n)
    shares = 2 * both / np.maximum(both.sum(axis=0) + both.sum(axis=1)[:, None], 1)
    rows, columns = linear_sum_assignment(-shares)
    return shares[rows, columns][np.isin(rows, truth)].mean()


# --- who segments -----------------------------------------------------------------------------

def pixels(image, n_channels, dtype=np.float32):
    return image.reshape(-1, n_channels).astype(dtype) / 255


def opencv_kmeans(rows, k, seed=0):
    cv2.setRNGSeed(seed)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-3)
    return cv2.kmeans(rows, k, None, criteria, 1, cv2.KMEANS_PP_CENTERS)[1]


def opencv_em(rows, k, seed=0):
    cv2.setRNGSeed(seed)
    model = cv2.ml.EM_create()
    model.setClustersNumber(k)
    model.setCovarianceMatrixType(cv2.ml.EM_COV_MAT_GENERIC)
    model.setTermCriteria((cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-3))
    return model.trainEM(rows.astype(np.float64))[2]


def blurred(image, n_axes, sigma=1.5):
    """The usual remedy for noise: each channel blurred in space."""
    return gaussian_filter(image, (sigma,) * n_axes + (0,) * (image.ndim - n_axes))


def contenders(image, n_axes, n_channels, k, run):
    """name -> function that gives labels; the classes of scikit-learn with float32 rows."""
    ours = {"random_state": 0, "n_threads": run.threads,
            "channel_axis": -1 if n_channels > 1 else None}
    tasks = {
        "EM": lambda: segment_image(image, k, **ours).labels,
        "EM, smoothness 1": lambda: segment_image(image, k, smoothness=1.0, **ours).labels,
        "EM, smoothness 2": lambda: segment_image(image, k, smoothness=2.0, **ours).labels,
        "K-means": lambda: segment_image(image, k, "kmeans", **ours).labels,
        "blur, then EM": lambda: segment_image(blurred(image, n_axes), k, **ours).labels,
        "scikit-learn EM": lambda: SklearnMixture(k, random_state=0).fit_predict(
            pixels(image, n_channels)),
        "scikit-learn K-means": lambda: SklearnKMeans(k, random_state=0).fit_predict(
            pixels(image, n_channels)),
    }
    if cv2 is not None:
        if HAS_OPENCV_EM:
            tasks["OpenCV EM"] = lambda: opencv_em(pixels(image, n_channels), k)
        tasks["OpenCV K-means"] = lambda: opencv_kmeans(pixels(image, n_channels), k)
        tasks["blur, OpenCV K-means"] = lambda: opencv_kmeans(
            pixels(blurred(image, n_axes), n_channels), k)
    return tasks


def section_phantoms(run):
    """Noisy images with a known truth: Dice and seconds of EM, smoothed EM, K-means and others."""
    if cv2 is None:
        print("  OpenCV left out: pip install opencv-python-headless brings it")
    else:
        cv2.setNumThreads(run.threads)
    draws = 1 if run.quick else 3
    rows, out = [], []
    for name, (make, size, small, k, n_channels, levels) in PHANTOMS.items():
        for noise in levels[:1] if run.quick else levels:
            scores, seconds = {}, {}
            for seed in range(draws):
                image, truth = make(small if run.quick else size, noise,
                                    np.random.default_rng(seed))
                image = as_photograph(image)
                tasks = contenders(image, truth.ndim, n_channels, k, run)
                best, labels = timing.alternate(tasks, 1, 1e-9)
                for who in tasks:
                    found = dice(np.asarray(labels[who]).reshape(truth.shape), truth)
                    scores.setdefault(who, []).append(found)
                    seconds[who] = min(best[who], seconds.get(who, np.inf))
            for who in scores:
                out.append({"phantom": name, "noise": noise, "who": who, "size": list(truth.shape),
                            "dice": float(np.mean(scores[who])), "seconds": seconds[who]})
                rows.append([f"{name} {' x '.join(map(str, truth.shape))}, noise {noise}", who,
                             float(np.mean(scores[who])), float(np.min(scores[who])),
                             1e3 * seconds[who]])
    timing.table(["phantom", "who", "Dice", "worst", "ms"], rows)
    print(f"  Dice: mean over segments and draws of the noise ({draws}), labels matched; worst: of "
          "the draws. blur: Gaussian, 1.5 pixels")
    means = {}
    for who in scores:
        of_it = [row for row in out if row["who"] == who]
        means[who] = [float(np.mean([row["dice"] for row in of_it])),
                      timing.geometric_mean([row["seconds"] for row in of_it])]
    timing.table(["over all", "mean Dice", "geometric mean ms"],
                 [[who, score, 1e3 * time] for who, (score, time) in means.items()])
    return {"rows": out, "means": means}


# in a process of its own, where no freed memory is there to be used again
PHOTO = """
import json, time, warnings
import numpy as np
import _timing as timing
from PIL import Image
from sklearn.datasets import load_sample_image
from threadpoolctl import threadpool_limits
import _segmentation as others
from emkernels import segment_image
warnings.simplefilter("ignore")
who, size, noise, max_iter, threads = sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:])
image = load_sample_image("china.jpg")
if size:
    image = np.asarray(Image.fromarray(image).resize((size, 3 * size // 4), Image.BICUBIC))
if noise:
    rng = np.random.default_rng(0)
    image = image.copy()
    for row in image:
        row[:] = np.clip(np.rint(row + rng.normal(0, noise, row.shape)), 0, 255)
ours = {"random_state": 0, "n_threads": threads}
if max_iter:
    ours.update(max_iter=max_iter, tol=0)
def em():
    return segment_image(image, 5, **ours).n_iter
def smoothed():
    return segment_image(image, 5, smoothness=1.0, **ours).n_iter
def kmeans():
    return segment_image(image, 5, "kmeans", **ours).n_iter
def sklearn_em():
    options = {"max_iter": max_iter, "tol": 0} if max_iter else {}
    model = others.SklearnMixture(5, random_state=0, **options)
    model.fit_predict(others.pixels(image, 3))
    return model.n_iter_
def sklearn_kmeans():
    return others.SklearnKMeans(5, random_state=0).fit(others.pixels(image, 3)).n_iter_
def opencv_kmeans():
    others.cv2.setNumThreads(threads)
    others.opencv_kmeans(others.pixels(image, 3), 5)
def opencv_em():
    others.cv2.setNumThreads(threads)
    others.opencv_em(others.pixels(image, 3), 5)
task, whole = globals()[who], image
with threadpool_limits(threads):
    image = whole[:60, :60]
    task()              # modules and pools are loaded
    image = whole
    with timing.PeakMemory() as memory:
        start = time.perf_counter()
        n_iter = task()
        seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "memory": memory.extra / (4 * image.size),
                  "n_iter": n_iter, "shape": image.shape}))
"""


def section_photo(run):
    """A photograph, uint8, in 5 segments: seconds and memory; 12 megapixels, and as it is."""
    size, short = (200, 1) if run.quick else (4000, 3)
    cases = [       # what, who, width, noise, iterations
        ("enlarged", "em", size, 0, 0), ("enlarged", "kmeans", size, 0, 0),
        ("enlarged", "smoothed", size, 0, 0), ("enlarged", "sklearn_kmeans", size, 0, 0),
        ("enlarged", "opencv_kmeans", size, 0, 0),
        ("enlarged", "em", size, 0, short), ("enlarged", "sklearn_em", size, 0, short),
        ("enlarged, noise 4", "em", size, 4, 0), ("enlarged, noise 4", "kmeans", size, 4, 0),
        ("enlarged, noise 4", "opencv_kmeans", size, 4, 0),
        ("as it is", "em", 0, 0, 0), ("as it is", "sklearn_em", 0, 0, 0),
        ("as it is", "opencv_em", 0, 0, 0), ("as it is", "kmeans", 0, 0, 0),
        ("as it is", "sklearn_kmeans", 0, 0, 0), ("as it is", "opencv_kmeans", 0, 0, 0)]
    if run.quick:
        cases = [case for case in cases if case[2]]
    cases = [case for case in cases if not ((case[1] == "opencv_kmeans" and cv2 is None)
                                            or (case[1] == "opencv_em" and not HAS_OPENCV_EM))]
    quickest = {}
    for _ in range(run.rounds):         # taking turns
        for case in cases:
            what, who, width, noise, max_iter = case
            found = timing.child(PHOTO, who, width, noise, max_iter, run.threads)
            quickest[case] = min(found, quickest.get(case, found), key=lambda one: one["seconds"])
    rows, out = [], []
    for (what, who, _, noise, _), found in quickest.items():
        out.append({"what": what, "who": who, "noise": noise, **found})
        rows.append([f"{what}, {' x '.join(map(str, found['shape'][:2]))}", who,
                     found["n_iter"], found["seconds"], found["memory"]])
    timing.table(["china.jpg", "who", "iterations", "seconds", "memory"], rows)
    print("  memory: peak besides the uint8 image, in units of the image as float32, which the "
          "others need as input. em, kmeans, smoothed: segment_image")
    print(f"  sklearn_em on the enlarged image has {short} iterations only; beside it em with as "
          "many. opencv_kmeans does not say how many it has done")
    return {"rows": out}
