"""Work on all cores or a cluster, in parts that survive a kill; work ahead of time; locks."""
