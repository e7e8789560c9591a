"""What one chooses between on the command line, and no preset says.

Here rather than beside the code that they are for, because ``--help`` names them and must not load
that code.
"""

from __future__ import annotations

from typing import Literal

ExportFormat = Literal["csv", "mediaeval", "elan", "sportscode", "activitynet"]
"""In which an index is written, see `results.export`."""
Edition = Literal[2020, 2021, 2022]
"""Of the MediaEval Sport Task, see `results.submissions`."""
SportTask = Literal["classification", "detection"]
"""Of that task, see `results.submissions`."""
