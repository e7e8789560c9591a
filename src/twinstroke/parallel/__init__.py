"""Work in several processes, threads or parts.

`workers` spreads work over all cores or a Dask cluster, `parts` computes one file in parts of which
finished ones survive a kill, `store` keeps every finished file once, and `inventory` says what it
holds and frees what nothing refers to. `prefetch` works ahead in threads, and `gpu_locks` shares
out GPUs.
"""
