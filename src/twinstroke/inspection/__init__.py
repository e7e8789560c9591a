"""Pictures that show whether `decode` to `segment` found the player, for ``twinstroke inspect``.

`draw.inspect` does the work. `source` reads what the stages wrote, `measure` says how suspicious
each video and sample is, and `choice` chooses which samples are drawn. `sheets` draws samples, at
the `moments` of their windows; `tracks` draws videos; `page` shows all pictures.
"""
