"""asv suites.

From the folder of asv.conf.json, once `asv machine --yes` has described the machine (without it
asv asks, and ends where nobody can answer): `asv run` builds a wheel of each commit; with what is
installed, `asv run --python=same`, quicker with `--quick`. asv drops PYTHONPATH: for a build in
place that is not installed, set ASV_PYTHONPATH to the repository.
"""
