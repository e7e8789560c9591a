"""Which samples each split uses: negatives are thinned, doubtful strokes are not trained on.

`choice.balance` chooses; `stored` says what ``balanced.csv`` holds, and reads it.
"""
