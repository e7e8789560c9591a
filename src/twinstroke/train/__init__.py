"""Training of networks on the balanced samples of ``strokes.h5``.

`launch.train` starts one process or several, and `fit.fit` is the training loop in each of them.

- What is trained: `description`, from the settings; `naming` puts a network in words.
- Samples: `windows` reads them, `augmentation` turns and zooms them, `feed` makes batches.
- Steps: `schedule` of the learning rate, `precision`, `ranks` (processes that train together),
  `reproducible` (same bits). Which GPU: `gpus`, for all that show windows to a network.
- What is written: `model_file`, `history`. What is kept: the `state` of an interrupted training
  (`saving` says when it is written, `unfinished` where) and `finished` trainings; `machine` is what
  must be the same.
- What is said: `messages`; another word there trains nothing again.
"""
