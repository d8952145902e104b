"""Nothing to cimport here: degrees of freedom are estimated between passes."""
