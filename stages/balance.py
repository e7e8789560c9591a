"""Choose the samples that each split uses: negatives are thinned."""

from collections import Counter
from pathlib import Path

import h5py

from twinstroke.balance.choice import balance
from twinstroke.balance.stored import UsedSample
from twinstroke.errors import exits_cleanly
from twinstroke.progress import summarise
from twinstroke.settings.load import load_settings
from twinstroke.tables import SPLITS, write_table


@exits_cleanly
def main() -> None:
    settings = load_settings()
    folder = Path("data", settings.name)
    with h5py.File(folder / "strokes.h5") as file:
        names, labels, splits = (
            file[f"samples/{column}"].asstr()[:].tolist() for column in ("sample", "label", "split")
        )
        agreement = file["samples/agreement"][:].tolist()
    used = balance(names, labels, splits, agreement, settings.balance, seed=settings.data_seed)
    write_table(folder / "balanced.csv", used, UsedSample)
    sizes = Counter(sample.split for sample in used)
    summarise(
        "balance",
        f"{len(used)} of {len(names)} samples are used: "
        + ", ".join(f"{split} {sizes[split]}" for split in SPLITS),
    )


if __name__ == "__main__":
    main()
