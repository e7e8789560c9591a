"""The built-in data set: rendered players whose motion, not their looks, tells the stroke.

`render.render_dataset` does the work. `timing` plans when each player plays which stroke, `motions`
says how each stroke is moved, `player` places the joints, and `scene` draws the picture.
"""
