"""The Nile: how many states its flow has had, when it changed, and the same with years lost."""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from emkernels import GaussianHMM
from emkernels.plotting import plot_states

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
# a hundred yearly flows at Aswan (Cobb, 1978), in 1e8 cubic metres
with files("emkernels.cli._demo").joinpath("nile.csv").open() as file:
    nile = pd.read_csv(file)
flow = nile[["flow"]]

# how many states: the lower BIC, the better
models = {k: GaussianHMM(k, random_state=0).fit(flow) for k in (1, 2, 3)}
for k, model in models.items():
    print(f"states: {k}, BIC {model.bic(flow):.1f}")
k = min(models, key=lambda k: models[k].bic(flow))
model = models[k]
print(f"chosen: {k} states, with means {model.means_[:, 0].round(0)}")

# when: the likeliest path through the states, and how sure it is
log_probability, path = model.decode(flow)
for at in np.flatnonzero(np.diff(path)):
    sure = model.predict_proba(flow)[at + 1, path[at + 1]]
    print(f"change in {nile.year[at + 1]}, to a mean of {model.means_[path[at + 1], 0]:.0f} "
          f"(probability {sure:.3f})")
ax = plot_states(model, flow, times=nile.year)
ax.figure.savefig(folder / "nile.png")

# a third of the years lost: each year counts by what it has, the path goes through the gaps
lost = flow.mask(np.random.default_rng(0).random(flow.shape) < 1 / 3)
other = GaussianHMM(2, random_state=0).fit(lost)
again = other.decode(lost)[1]
print(f"with {int(lost.flow.isna().sum())} years lost: change in "
      f"{nile.year[np.flatnonzero(np.diff(again))[0] + 1]}; "
      f"{100 * np.mean(again == path):.0f} % of the years in the same state")
plot_states(other, lost, times=nile.year).figure.savefig(folder / "nile-with-gaps.png")

# several sequences: their lengths, or a list of arrays
halves = GaussianHMM(2, random_state=0).fit([flow[:50], flow[50:]])
print(f"as two sequences: means {halves.means_[:, 0].round(0)}")
