"""All sections of ``presets/<name>.yaml``: what a data set and a scale fix."""

from __future__ import annotations

import re

from twinstroke.settings.attend import AttendSettings
from twinstroke.settings.balance import BalanceSettings
from twinstroke.settings.base import Section, Seed
from twinstroke.settings.decode import DecodeSettings
from twinstroke.settings.detect import HeldOutSettings
from twinstroke.settings.evaluate import EvaluateSettings
from twinstroke.settings.feed import FeedSettings
from twinstroke.settings.flow import FlowSettings
from twinstroke.settings.index import IndexSettings
from twinstroke.settings.normalize import NormalizeSettings
from twinstroke.settings.segment import SegmentSettings
from twinstroke.settings.synthesize import SynthesizeSettings
from twinstroke.settings.train import PresetTrainSettings
from twinstroke.settings.window import WindowSettings

PRESET_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
"""It names folders, so it cannot lead out of them."""


class Preset(Section):
    """``presets/<name>.yaml``: what a data set and a scale fix."""

    data_seed: Seed
    """Decides what is drawn before training: rendered videos, splits, the choice of negatives. It
    is not the seed of an experiment, so that runs of several seeds share their test samples."""
    synthesize: SynthesizeSettings
    index: IndexSettings
    window: WindowSettings
    decode: DecodeSettings
    flow: FlowSettings
    normalize: NormalizeSettings
    segment: SegmentSettings
    balance: BalanceSettings
    train: PresetTrainSettings
    feed: FeedSettings = FeedSettings()
    evaluate: EvaluateSettings
    attend: AttendSettings
    detect: HeldOutSettings
