"""What annotations are, whoever wrote them: strokes with a time and a label, and their classes.

`records` is what every format is read into, `resolve` turns its times into frames, `classes` and
`superclasses` know the names, `folders` and `rows` read what is not trusted.
"""
