"""Work in several processes, threads or parts.

`workers` spreads work over all cores or a Dask cluster, `parts` computes one file in parts of which
finished ones survive a kill, `prefetch` works ahead in threads, and `gpu_locks` shares out GPUs.
"""
