"""The formats in which people keep annotations: one small module for each.

`reading.read_annotations` recognises the format and calls its module: `csv`, `mediaeval`, `clips`,
`elan`, `via`, `label_studio`, `cvat`, `sportscode` or `srt`. `csv`, `mediaeval`, `elan` and
`sportscode` also write. `json` and `xml` read files that are not trusted.
"""
