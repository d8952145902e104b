"""Nine tests of pupils, some of which are lost: how many abilities are behind them, and which."""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from emkernels import FactorAnalysis, parallel_analysis, select_factors
from emkernels.plotting import plot_loadings, plot_scree

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
# K. J. Holzinger, F. Swineford, 1939: 301 pupils of two schools
with files("emkernels.cli._demo").joinpath("holzinger.csv").open() as file:
    whole = pd.read_csv(file).drop(columns="school")
table = whole.mask(np.random.default_rng(0).random(whole.shape) < 0.1)
print(f"{int(table.isna().sum().sum())} of {table.size} cells are lost")

# two ways to tell how many factors: against random tables, and by BIC
parallel = parallel_analysis(table, random_state=0)
print(parallel)
plot_scree(parallel).figure.savefig(folder / "factors_scree.png")
selection = select_factors(table, range(1, 5))
print(selection)

# what each test loads on; oblique factors are correlated
for rotation in ("varimax", "oblimin"):
    model = FactorAnalysis(3, rotation=rotation).fit(table)
    loadings = pd.DataFrame(model.components_.T, table.columns, ["one", "two", "three"])
    print(f"\n{rotation}\n{loadings.round(2)}")
print(f"correlations of the factors\n{model.factor_correlation_.round(2)}")
plot_loadings(model).figure.savefig(folder / "factors_loadings.png")

# pupils by their factors, in spite of the gaps; and the gaps filled in
scores = model.transform(table)
lost = table.isna().to_numpy()
errors = (model.impute(table) - whole.to_numpy())[lost] / np.tile(whole.std(), (301, 1))[lost]
spread = ((table.mean() - whole) / whole.std()).to_numpy()[lost]
print(f"lost cells restored: {np.sqrt(np.mean(errors**2)):.3f} standard deviations off, "
      f"by means {np.sqrt(np.mean(spread**2)):.3f}")
between = np.corrcoef(scores.T, model.transform(whole).T)[:3, 3:]
print(f"scores of the table with gaps and of the whole one correlate by {np.diag(between).min():.3f}")
