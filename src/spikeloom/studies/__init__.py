"""Many runs: studies over chips and mappings, and data sets, on local processes or on Dask."""
