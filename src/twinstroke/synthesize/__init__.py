"""The built-in data set: rendered players whose motion, not their looks, tells the stroke."""
