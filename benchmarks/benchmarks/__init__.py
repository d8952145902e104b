"""asv suites.

From the folder of asv.conf.json: `asv run` builds a wheel of each commit; on the checkout as
it is, `asv run --python=same --quick`. asv drops PYTHONPATH: for a build in place that is not
installed, set ASV_PYTHONPATH to the repository.
"""
