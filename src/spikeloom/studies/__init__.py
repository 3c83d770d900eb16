"""Many runs: studies of chips and compilations, and data sets, on local processes or Dask."""
