"""Votes with gaps: how many kinds of members there are, what they vote, and answers filled in."""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from emkernels import LatentClassAnalysis, select_classes
from emkernels.plotting import plot_response_probs

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
# 435 members of the House of Representatives, 16 votes of 1984 (Congressional Quarterly)
with files("emkernels.cli._demo").joinpath("votes.csv").open() as file:
    votes = pd.read_csv(file)
bills = votes.drop(columns="party")
print(f"{int(bills.isna().sum().sum())} of {bills.size} votes are not known; the rest counts")

# how many classes
print(select_classes(bills, range(1, 7), random_state=0))

# three of them: two parties, and members in between
model = LatentClassAnalysis(3, random_state=0).fit(bills)
print(f"\nshares {model.weights_.round(3)}, entropy {model.entropy_:.3f}")
print(pd.crosstab(model.predict(bills), votes.party))
plot_response_probs(model, sort=True).figure.savefig(folder / "votes.png")
errors = model.standard_errors(bills)
at = list(bills).index("crime")
for k in range(3):
    print(f"class {k} votes yes to crime with probability "
          f"{model.response_probs_[at][k, 1]:.2f} +- {errors.response_probs[at][k, 1]:.2f}")

# a tenth of the known votes is hidden, and told by the class
known = bills.notna().to_numpy()
hidden = known & (np.random.default_rng(0).random(bills.shape) < 0.1)
left = bills.mask(hidden)
filled = LatentClassAnalysis(5, random_state=0).fit(left).impute(left)
truth = bills.to_numpy()[hidden]
print(f"hidden votes told by the classes: {100 * np.mean(filled[hidden] == truth):.1f} % right")
usual = np.broadcast_to(left.mode().iloc[0].to_numpy(), bills.shape)[hidden]
print(f"by the majority of all: {100 * np.mean(usual == truth):.1f} % right")
