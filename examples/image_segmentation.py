"""Stained tissue: segments by K-means, by EM, and by EM with neighbours that agree."""

import sys
from pathlib import Path

import numpy as np
from skimage import data

from emkernels import segment_image
from emkernels.plotting import plot_posteriors, plot_segmentation

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
image = data.immunohistochemistry()     # brown: the protein looked for; blue: nuclei


def lonely(labels):
    """Share of pixels that differ from all four neighbours."""
    inner = labels[1:-1, 1:-1]
    around = (labels[:-2, 1:-1], labels[2:, 1:-1], labels[1:-1, :-2], labels[1:-1, 2:])
    return np.all([inner != other for other in around], axis=0).mean()


# K-means divides by brightness here; EM learns the shape of each colour, which runs from light to
# dark brown, and so finds the stained cells whole
results = {
    "kmeans": segment_image(image, 3, "kmeans", random_state=0),
    "em": segment_image(image, 3, random_state=0),
    "smooth": segment_image(image, 3, smoothness=1.0, random_state=0),
}
for name, result in results.items():
    print(result)
    print(f"pixels unlike all their neighbours: {100 * lonely(result.labels):.2f} %\n")
    plot_segmentation(result)[0].figure.savefig(folder / f"segmentation_{name}.png")
plot_posteriors(results["smooth"])[0].figure.savefig(folder / "segmentation_posteriors.png")

# segments are numbered from the darkest, which is the brown one
for name, result in results.items():
    print(f"{name}: {100 * result.fractions[0]:.1f} % of the picture is brown")
