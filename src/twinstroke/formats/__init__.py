"""The formats in which people keep annotations: one small module for each.

`reading.read_annotations` recognises the format and calls its module: `csv`, `mediaeval`, `clips`,
`elan`, `elan_text`, `via`, `label_studio`, `cvat`, `sportscode`, `boris`, `activitynet` or `srt`.
`csv`, `mediaeval`, `elan`, `sportscode` and `activitynet` also write. `json` and `xml` read files
that are not trusted.
"""
