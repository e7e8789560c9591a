"""``twinstroke gpu-check``."""

from __future__ import annotations

import click

from twinstroke.errors import UserError


@click.command()
def command() -> None:
    """Check that training repeats to the bit on this GPU.

    It trains each network of the paper twice on made-up windows, compares the files byte by byte,
    and says how fast the training was.
    """
    # Only now: --help need not wait for torch.
    from twinstroke.gpu_check import PAPER_CASES, PAPER_WINDOW, check, cuda_device, described

    for line in described(cuda_device()):
        click.echo(line)
    other = []
    for outcome in check(PAPER_CASES, PAPER_WINDOW, loader_workers=4):
        click.echo(str(outcome))
        if not outcome.same_bits:
            other.append(str(outcome.case))
    if other:
        raise UserError(f"gpu-check: two equal runs ended with other bits: {'; '.join(other)}")
