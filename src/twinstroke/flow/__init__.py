"""Dense optical flow between neighbouring kept frames.

`fields.compute_flow` does the work, `estimators` has the methods of OpenCV, and `stored` says what
``flow/<video>.h5`` holds.
"""
