"""The viewer as a person uses it: watched, corrected and saved in a real browser."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.browser import DESK, PHONE, Browser, opened
from tests.videos import Frames, write_vfr_video, write_video
from tests.viewer import file_in, indexed, kept, loaded, viewer
from twinstroke.annotations.classes import ttstroke21
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.formats import elan
from twinstroke.formats.csv import read_strokes
from twinstroke.regions import Region
from twinstroke.results.viewer.page import _packed, write_viewer
from twinstroke.tables import NEGATIVE
from twinstroke.video.clock import Clock
from twinstroke.video.probe import probe_video

STROKES = [row.label for row in ttstroke21()]
FOREHAND, BACKHAND, SERVE = (
    "Offensive Forehand Hit",
    "Defensive Backhand Push",
    "Serve Forehand Topspin",
)
ROW = 34
"""Height of a row of the timeline in pixels; 40 where fingers are."""
HOSTILE = [
    "</script><script>document.title='x'</script>",
    "a, \"b\" & 'c'",
    "Rückhand 🏓",
    "=1+1;<!--",
]


def grey_frames(count: int) -> Frames:
    """Frame n is of one grey, 20 + 4n: a lossy codec keeps that, and a screenshot tells n."""
    frames = np.empty((count, 90, 160, 3), np.uint8)
    frames[:] = (20 + 4 * np.arange(count))[:, None, None, None]
    return frames


def detection(begin: int, end: int, label: str, probability: float = 0.9) -> Detection:
    return Detection(
        video="v",
        begin=begin,
        end=end,
        label=label,
        begin_s=0,
        end_s=1,
        probability=probability,
        stroke_probability=1,
    )


def write_playable_vfr(path: Path, times_s: Sequence[float]) -> Path:
    """As browsers play it: `write_vfr_video` keeps RGB, which they do not know."""
    exact = write_vfr_video(path.with_name("exact.mp4"), grey_frames(len(times_s)), times_s)
    options = {"c:v": "libx264", "pix_fmt": "yuv420p", "crf": 10, "fps_mode": "passthrough"}
    stream = ffmpeg.input(str(exact)).output(str(path), enc_time_base="1/90000", **options)
    stream.global_args("-v", "error", "-nostdin").run(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    exact.unlink()
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 frames at 12 a second: 4 s."""
    path = tmp_path_factory.mktemp("film") / "rally 1.mp4"
    return write_video(path, grey_frames(48), 12, lossless=False)


def said(browser: Browser) -> str:
    return browser.find("#said").text.strip()


def frame(browser: Browser) -> int:
    return int(browser.find("#now-frame").text.removeprefix("frame "))


def visible_frame(browser: Browser) -> int:
    """Which frame the pixels of the video show; a busy machine paints late."""
    found = -1
    for _ in range(50):
        browser.wait("!document.getElementById('video').seeking")
        time.sleep(0.1)
        grey = imread(BytesIO(browser.find("#video").screenshot_as_png))
        height, width = grey.shape[:2]
        found = round((255 * float(grey[height // 2, width // 2, 0]) - 20) / 4)
        if found == frame(browser):
            break
    return found


def test_watch(film: Path, tmp_path: Path) -> None:
    """Open, jump, step, repeat, slow down: the pixels say which frame is shown."""
    page = write_viewer(
        tmp_path / "page" / "rally 1.html",
        video=film,
        clock=probe_video(film).clock,
        classes=STROKES,
        annotations=[Stroke("v", 5, 11, FOREHAND, annotator="Ada")],
        detections=[detection(6, 12, FOREHAND), detection(20, 26, BACKHAND)],
    )
    with viewer(page) as browser:
        loaded(browser)
        assert visible_frame(browser) == frame(browser) == 0
        browser.press("n")
        assert visible_frame(browser) == frame(browser) == 6
        browser.press("n", ".", ".", ",")
        assert visible_frame(browser) == frame(browser) == 21
        browser.press("p")
        assert frame(browser) == 6
        # A click on the second stroke in the row of the corrected ones, at 4 s for the width.
        width = browser.run("return document.getElementById('lanes').clientWidth")
        browser.click("#lanes", (1 + 22 / 48 * width, 26 + 2 * ROW + 20))
        assert frame(browser) == 20 and said(browser).startswith(BACKHAND)
        # Anywhere else, the click is a jump.
        browser.click("#lanes", (1 + 40.5 / 48 * width, 26 + 2 * ROW + 20))
        assert visible_frame(browser) == frame(browser) == 40

        browser.press("p", "s", "s", "s", "f")
        assert browser.run("return document.getElementById('video').playbackRate") == 0.25
        assert browser.find("#speed").get_attribute("value") == "0.25"
        browser.press("f")
        browser.run(
            "window.seen = [];"
            "new MutationObserver(() => seen.push(+document.getElementById('now-frame')"
            ".textContent.slice(6))).observe(document.getElementById('now-frame'),"
            "{childList: true})"
        )
        draws = "Number(document.querySelector('#lanes canvas').dataset.draws)"
        before = browser.run(f"return {draws}")
        browser.press("l")
        browser.wait("seen.filter((n, i) => i && n < seen[i - 1]).length >= 2", 20)
        browser.press("l")
        browser.wait("document.getElementById('video').paused")
        seen = browser.run("return seen")
        # It may have begun a frame late or gone a frame too far, but no more.
        assert set(range(6, 12)) - {11} <= set(seen) <= set(range(6, 13))
        # Playing moves the playhead; nothing else is drawn.
        assert browser.run(f"return {draws}") == before
        assert visible_frame(browser) == frame(browser)
        assert {Path(url).name for url in browser.requests()} == {"rally%201.mp4"}
        assert browser.complaints() == []


def test_two_players(film: Path, tmp_path: Path) -> None:
    """Each has rows and a place; strokes of both are added, handed over, saved and read again."""
    clock = probe_video(film).clock
    players = [("Ann", Region(0, 0, 20, 30)), ("Bo", Region(20, 0, 10, 30))]
    found = [
        detection(6, 12, FOREHAND).model_copy(update={"player": player, "region": region})
        for player, region in players
    ]
    page = write_viewer(
        tmp_path / "v.html",
        video=film,
        clock=clock,
        classes=STROKES,
        detections=found,
        players=players,
    )

    def of_players(browser: Browser) -> list[tuple[int, str]]:
        rows = json.loads(browser.run("return Object.values(localStorage)[0]"))["strokes"]
        return [(row[0], players[row[5]][0]) for row in rows]

    with viewer(page) as browser:
        loaded(browser)
        browser.downloads_to(tmp_path)
        assert browser.texts(".place") == ["Ann", "Bo"]
        # The second row of corrected strokes is Bo's.
        width = browser.run("return document.getElementById('lanes').clientWidth")
        browser.click("#lanes", (1 + 8 / 48 * width, 26 + 3 * ROW + 20))
        assert browser.find("#chosen").text.startswith("Bo, ")
        browser.press("4")
        assert browser.texts(".row .state") == [
            "Ann · not checked · 90 % sure",
            "Bo · ✎ changed · 90 % sure",
        ]
        # A new stroke is of the player who was looked at last.
        browser.press(Keys.ESCAPE, *"." * 6, "a", ".", ".", "a", Keys.ESCAPE)
        assert of_players(browser) == [(6, "Ann"), (6, "Bo"), (18, "Bo")]
        Select(browser.find("#player")).select_by_visible_text("Ann")
        assert of_players(browser)[2] == (18, "Ann")
        browser.press_with(Keys.CONTROL, "z")
        assert of_players(browser)[2] == (18, "Bo")
        browser.click("#save-csv")
        table = file_in(tmp_path, ".csv")
        browser.reload()
        browser.wait("document.querySelectorAll('.row').length === 3")
        browser.click("#restart")
        browser.find("#load-file").send_keys(str(table))
        browser.wait("document.getElementById('said').textContent.startsWith('Read 3')")
        assert of_players(browser) == [(6, "Ann"), (6, "Bo"), (18, "Bo")]
        other = tmp_path / "other.csv"
        other.write_text(table.read_text(encoding="utf-8-sig").replace("Bo", "Cy"))
        browser.find("#load-file").send_keys(str(other))
        browser.wait("document.getElementById('said').textContent.includes('no player')")
        assert browser.complaints() == []
    own = read_strokes(table)
    assert [(s.begin, s.group, s.region) for s in own[film.stem]] == [
        (6, "Ann", players[0][1]),
        *[(begin, "Bo", players[1][1]) for begin in (6, 18)],
    ]


def test_correct_and_reload(film: Path, tmp_path: Path) -> None:
    clock = probe_video(film).clock
    found = [detection(6, 12, FOREHAND), detection(20, 26, BACKHAND), detection(30, 36, SERVE)]
    page = write_viewer(
        tmp_path / "v.html", video=film, clock=clock, classes=STROKES, detections=found
    )
    width = 0

    def nearest(frame: int, pixels: int) -> int:
        return clock.frame_at(clock.time_of(frame) + clock.duration * pixels / width)

    with viewer(page) as browser:
        loaded(browser)
        width = browser.run("return document.getElementById('lanes').clientWidth")
        browser.press("n")
        browser.wait("!document.getElementById('handle-end').hidden")
        browser.drag("#handle-end", 70)
        begin, end = 6, nearest(12, 70)
        assert end > 12 and kept(browser)[0] == (begin, end, FOREHAND)
        assert frame(browser) == end - 1
        browser.drag("#handle-begin", -40)
        begin = nearest(6, -40)
        assert begin < 6 and kept(browser)[0] == (begin, end, FOREHAND)
        # Never beyond the other boundary.
        browser.drag("#handle-begin", 600)
        assert kept(browser)[0] == (end - 1, end, FOREHAND)
        browser.press_with(Keys.CONTROL, "z")
        assert kept(browser)[0] == (begin, end, FOREHAND)
        # The handle has the focus: its arrows move it. So do the keys from anywhere.
        browser.run("document.getElementById('handle-end').focus()")
        browser.press(Keys.ARROW_LEFT, "1", "1", "2", "3", "4", "4")
        begin -= 1
        assert kept(browser)[0] == (begin, end, FOREHAND)
        browser.press("n")
        browser.press(".", ".", "b", ",", ",", ",", "b", ".", "e")
        assert kept(browser)[1] == (19, 21, BACKHAND)
        # A part of the name is enough.
        browser.press("c", *"flip back", Keys.ENTER)
        assert kept(browser)[1] == (19, 21, "Offensive Backhand Flip")
        browser.press("c", *"smash", Keys.ENTER)
        assert kept(browser)[1] == (19, 21, "smash")
        browser.press("n", Keys.DELETE)
        assert [row[2] for row in kept(browser)] == [FOREHAND, "smash"]
        # A new one: from a frame to another, then its name.
        browser.click("#lanes", (1 + 40.5 / 48 * width, 10))
        browser.press("a", ".", ".", ".", "a")
        assert kept(browser)[2][:2] == (40, 44)
        browser.press(*"topspin", Keys.ARROW_DOWN, Keys.ENTER)
        browser.press_with(Keys.CONTROL, "z")
        browser.press_with(Keys.CONTROL, "z")
        assert len(kept(browser)) == 2
        browser.press_with(Keys.CONTROL, "y")
        browser.press_with(Keys.CONTROL, "y")
        # "Serve Forehand Topspin", "Serve Backhand Topspin": the second one.
        expected = [(begin, end, FOREHAND), (19, 21, "smash"), (40, 44, "Serve Backhand Topspin")]
        assert kept(browser) == expected
        assert browser.find("#progress").text == "3 of 3 checked, 1 deleted"
        browser.reload()
        browser.wait("document.querySelectorAll('.row').length")
        assert kept(browser) == expected
        assert browser.texts(".row .state") == [
            "✎ changed · 90 % sure",
            "✎ changed · 90 % sure",
            "+ added",
        ]
        # Nothing that was done before is undone now; all may be dropped, and brought back.
        browser.press_with(Keys.CONTROL, "z")
        assert kept(browser) == expected
        browser.click("#restart")
        assert kept(browser) == [(row.begin, row.end, row.label) for row in found]
        browser.press_with(Keys.CONTROL, "z")
        assert kept(browser) == expected
        browser.press("n", "r")
        assert frame(browser) == 19
        assert browser.complaints() == []


def _constant(path: Path) -> Path:
    return write_video(path, grey_frames(50), Fraction(30000, 1001), lossless=False)


def _variable(path: Path) -> Path:
    return write_playable_vfr(path, [(n + n // 7 + (n % 3) / 4) / 90 for n in range(50)])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("29.97 Halle Süd.mp4", _constant),
        ("variable.mp4", _variable),
        ("a&b <i>\"'#%20?.mp4", _constant),
    ],
    ids=["29.97", "variable", "hostile"],
)
def test_what_is_saved_is_what_index_reads(
    name: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    (raw / "videos").mkdir(parents=True)
    video = write(raw / "videos" / name)
    probe = probe_video(video)
    clock, rate = probe.clock, probe.fps
    classes = [NEGATIVE, *HOSTILE]
    # Every frame is a boundary; some strokes overlap, one goes to the end, one has no name.
    found = [detection(n, n + 3, HOSTILE[n % 4], n / 50) for n in range(0, 44)]
    found.append(detection(44, 50, "Unknown"))
    page = write_viewer(
        tmp_path / "viewer.html", video=video, clock=clock, classes=classes, detections=found
    )
    with viewer(page) as browser:
        browser.downloads_to(tmp_path / "saved")
        loaded(browser)
        assert browser.run("return document.title") == f"{name}: strokes"
        browser.run("document.getElementById('list').focus()")
        for key, first in ((Keys.END, 44), (Keys.HOME, 0)):
            browser.press(key)
            assert visible_frame(browser) == frame(browser) == first
        browser.press("4", "r", "r", Keys.DELETE)
        expected = [(row.begin, row.end, row.label) for row in found]
        expected[0] = (0, 4, HOSTILE[0])
        del expected[2]
        assert kept(browser) == sorted(expected)
        browser.click("#annotator")
        browser.press(*'Zoë "Z"')
        browser.click("#save-csv")
        browser.click("#save-eaf")
        table, document = (file_in(tmp_path / "saved", suffix) for suffix in (".csv", ".eaf"))
        # Another day, another browser: the table is enough to go on.
        browser.run("localStorage.clear()")
        browser.reload()
        browser.find("#load-file").send_keys(str(table))
        browser.wait("document.getElementById('said').textContent.startsWith('Read 44')")
        assert kept(browser) == sorted(expected)
        assert browser.find("#progress").text == "2 of 44 checked, 1 deleted"
        assert browser.find("#annotator").get_attribute("value") == 'Zoë "Z"'
        assert browser.complaints() == []
    if name[0] != "a":
        assert {p.name for p in (table, document)} == {
            f"{video.stem}.corrected.{suffix}" for suffix in ("csv", "eaf")
        }
    for form, file in (("csv", table), ("elan", document)):
        (raw / form).mkdir()
        file.rename(raw / form / f"x{file.suffix}")
        assert indexed(raw, form, classes, float(rate)) == sorted(expected)
    # To the byte what is written without a browser.
    elan.write(
        tmp_path / "model.eaf",
        name,
        [Stroke("v", begin, end, label, annotator='Zoë "Z"') for begin, end, label in expected],
        clock,
    )
    assert (raw / "elan" / "x.eaf").read_bytes() == (tmp_path / "model.eaf").read_bytes()


def test_saved_tables_hold_no_formulas(tmp_path: Path) -> None:
    """What a spreadsheet would compute is text, and the same text for us."""
    labels = [
        '=HYPERLINK("http://x","y")',
        "+1",
        "-1,5",
        "@SUM(A1)",
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff201",
        "\t=2",
        "\r=3",
        "\n=4",
        "1=1",
        "Rückhand",
    ]
    raw = tmp_path / "raw"
    (raw / "videos").mkdir(parents=True)
    video = write_video(raw / "videos" / "=1+1.mp4", grey_frames(48), 12, lossless=False)
    found = [detection(n, n + 3, labels[n % len(labels)]) for n in range(45)]
    page = write_viewer(
        tmp_path / "v.html",
        video=video,
        clock=probe_video(video).clock,
        classes=labels,
        detections=found,
    )
    annotator = "-2+3+cmd|' /C calc'!A0"
    with viewer(page) as browser:
        browser.downloads_to(tmp_path / "saved")
        browser.press("n", "r")
        browser.click("#annotator")
        browser.press(*annotator)
        browser.click("#save-csv")
        table = file_in(tmp_path / "saved", ".csv")
        content = table.read_bytes()
        assert content.startswith(b"\xef\xbb\xbf") and content.count(b"\xef\xbb\xbf") == 1
        lines = list(csv.reader(content.decode("utf-8-sig").splitlines(keepends=True)))
        assert [cell for line in lines for cell in line if cell[:1] in "=+-@＝＋－＠\t\r\n"] == []
        # At most a space more than what it is, and only where it has to be.
        checked = ["yes", *["no"] * 44]
        assert lines[1:] == [
            [
                " =1+1.mp4",
                str(row.begin),
                str(row.end),
                row.label if row.label[0] in "1R" else f" {row.label}",
                f" {annotator}",
                state,
            ]
            for row, state in zip(found, checked, strict=True)
        ]
        # Names have no white space around them.
        expected = [(row.begin, row.end, row.label.strip()) for row in found]
        for own in (content, content.removeprefix(b"\xef\xbb\xbf")):
            table.write_bytes(own)
            browser.run("localStorage.clear()")
            browser.reload()
            browser.find("#load-file").send_keys(str(table))
            browser.wait("document.getElementById('said').textContent.startsWith('Read 45')")
            assert kept(browser) == expected
            assert browser.find("#annotator").get_attribute("value") == annotator
            assert browser.find("#progress").text == "1 of 45 checked"
        assert browser.complaints() == []
    (raw / "csv").mkdir()
    (raw / "csv" / "x.csv").write_bytes(content)
    classes = [NEGATIVE, *(label.strip() for label in labels)]
    assert indexed(raw, "csv", classes, 12) == expected


def test_corrections_of_another_version_of_the_page(film: Path, tmp_path: Path) -> None:
    """`detect` ran again by other rules: what was corrected before can be brought back."""
    page = tmp_path / "v.html"
    clock = probe_video(film).clock

    def write(*rows: tuple[int, int, str], name: str = "", clock: Clock = clock) -> None:
        found = [detection(*row) for row in rows]
        write_viewer(page, video=film, clock=clock, classes=STROKES, detections=found, name=name)

    def offered() -> bool:
        browser.reload()
        browser.wait("document.querySelectorAll('.row').length")
        return browser.find("#earlier").is_displayed()

    def versions() -> int:
        return int(browser.run("return Object.keys(localStorage).length"))

    before = [(6, 12, FOREHAND), (20, 26, BACKHAND), (30, 36, SERVE), (40, 44, SERVE)]
    after = [(5, 13, FOREHAND), (20, 26, BACKHAND), (31, 37, SERVE), (44, 46, BACKHAND)]
    write(*before)
    with viewer(page, PHONE) as browser:
        # Whoever only writes a name, or takes all back, corrected nothing.
        browser.click("#annotator")
        browser.press(*"Ada")
        browser.run("document.activeElement.blur()")
        browser.press("n", "2")
        browser.press_with(Keys.CONTROL, "z")
        assert kept(browser) == before
        write(*after)
        assert not offered()

        write(*before)
        assert not offered()
        browser.press("n", "2", "n", "r", "n", Keys.DELETE)
        corrected = [(7, 12, FOREHAND), (20, 26, BACKHAND), (30, 36, SERVE)]
        assert kept(browser) == corrected
        assert not offered() and versions() == 1
        # Another video, be it of the same name.
        for other in (
            {"name": "other.mp4"},
            {"name": "day 1/rally 1.mp4"},
            {"name": "rally"},
            {"clock": Clock(np.arange(49), Fraction(1, 25))},
            {"clock": Clock(np.arange(50), clock.time_base)},
        ):
            write(*after, **other)
            assert not offered()
        write(*after)
        assert offered() and versions() == 1
        year = browser.run(
            "return String(new Date(JSON.parse(Object.values(localStorage)[0]).at).getFullYear())"
        )
        assert year in browser.find("#earlier-text").text
        assert browser.overflow() == []
        for button in ("#bring-back", "#not-now"):
            size = browser.find(button).size
            assert size["height"] >= 40 and size["width"] >= 40
        # Not now: it is offered the next time; a name alone does not change that.
        browser.click("#not-now")
        assert not browser.find("#earlier").is_displayed()
        browser.click("#annotator")
        browser.press("B", Keys.BACKSPACE)
        assert kept(browser) == after and offered()
        browser.run("document.getElementById('bring-back').focus()")
        browser.press(Keys.ENTER)
        assert kept(browser) == corrected and versions() == 2
        assert not browser.find("#earlier").is_displayed()
        assert browser.run("return document.activeElement.id") == "lanes"
        assert browser.find("#annotator").get_attribute("value") == "Ada"
        # Those that nobody looked at are not taken for checked because others were found now.
        states = ["✎ changed · 90 % sure", "✓ right · 90 % sure", "not checked · 90 % sure"]
        assert browser.texts(".row .state") == states
        assert browser.find("#progress").text == "2 of 3 checked, 1 deleted"
        browser.press_with(Keys.CONTROL, "z")
        assert kept(browser) == after
        browser.press_with(Keys.CONTROL, "y")
        assert kept(browser) == corrected
        assert not offered()
        assert kept(browser) == corrected and browser.texts(".row .state") == states
        # Of several, those that were changed last; those before them are there still.
        browser.press("n", Keys.DELETE)
        write((1, 3, SERVE))
        assert offered() and versions() == 2
        browser.click("#bring-back")
        assert kept(browser) == corrected[1:] and versions() == 3
        # Five are enough.
        for n in range(4, 8):
            write((n, n + 3, SERVE))
            assert offered()
            browser.press("n", "r")
            assert versions() == min(n, 5)
        write(*before)
        assert offered()
        browser.click("#bring-back")
        assert kept(browser) == [(7, 10, SERVE)] and versions() == 5
        assert browser.complaints() == []


def test_nothing_broken_is_brought_back(tmp_path: Path) -> None:
    """Any page of this computer may write what looks like ours."""
    page = write_viewer(
        tmp_path / "v.html",
        video=tmp_path / "v.mp4",
        clock=Clock(np.arange(11), Fraction(1, 10)),
        classes=["a"],
        detections=[detection(1, 4, "a")],
    )
    good = {"strokes": [[2, 5, "<b>b", 7, True]], "annotator": "", "at": 10**12, "corrected": True}
    broken: list[dict[str, Any]] = [
        {"timing": "0" * 16},
        {"at": 10**16},
        {"at": "now"},
        {"corrected": False},
        {"corrected": "yes"},
        {"strokes": [[0, 11, "a", 0, True]]},
        {"strokes": [[0, 4, "a", 0]]},
        {"strokes": {}},
        {"annotator": 1},
    ]
    with viewer(page) as browser:
        good["timing"] = browser.run(
            "return JSON.parse(document.getElementById('data').textContent).timing"
        )

        def offered(text: str, suffix: str = "0" * 16) -> bool:
            key = json.dumps(f"twinstroke viewer: v.mp4 {suffix}")
            browser.run(f"localStorage.clear(); localStorage.setItem({key}, {json.dumps(text)})")
            browser.reload()
            browser.wait("document.querySelectorAll('.row').length")
            assert not browser.find("#store-notice").is_displayed()
            return browser.find("#earlier").is_displayed()

        for changes in broken:
            assert not offered(json.dumps(good | changes)), changes
        for text in ("null", "[1", "[]", ""):
            assert not offered(text), text
        assert not offered(json.dumps(good), "0" * 15) and not offered(json.dumps(good), "try")
        assert offered(json.dumps(good))
        browser.click("#bring-back")
        assert kept(browser) == [(2, 5, "<b>b")]


def test_filters_and_counts(film: Path, tmp_path: Path) -> None:
    rows = [
        (2, 5, FOREHAND, 0.5),
        (8, 12, FOREHAND, 0.9),
        (15, 20, BACKHAND, 0.7),
        (24, 30, SERVE, 0.95),
    ]
    marked = [Stroke("v", 2, 5, FOREHAND), Stroke("v", 15, 20, SERVE)]
    page = write_viewer(
        tmp_path / "v.html",
        video=film,
        clock=probe_video(film).clock,
        classes=STROKES,
        annotations=marked,
        detections=[detection(*row) for row in rows],
    )
    with viewer(page) as browser:

        def sums() -> list[int]:
            return [
                int(browser.find(f"#sum-{kind}").text) for kind in ("marked", "found", "corrected")
            ]

        def choose(select: str, value: str) -> None:
            browser.run(
                f"const s = document.getElementById('{select}'); s.value = '{value}';"
                "s.dispatchEvent(new Event('input'))"
            )

        assert sums() == [2, 4, 4] and len(browser.texts(".row")) == 4
        choose("by-hand", "Forehand")
        assert sums() == [2, 3, 3] and len(browser.texts(".row")) == 3
        choose("by-type", "Serve")
        assert sums() == [1, 1, 1]
        choose("by-type", "")
        choose("by-sure", "60")
        # What was marked by hand is as sure as can be.
        assert sums() == [2, 2, 2]
        assert [t.partition("\n")[0] for t in browser.texts(".row")] == [FOREHAND, SERVE]
        browser.click("#show-all")
        assert sums() == [2, 4, 4]
        browser.click(f'[data-label="{FOREHAND}"]')
        assert sums() == [1, 2, 2]
        # Next and previous pass over what is not shown.
        browser.run("document.activeElement.blur()")
        browser.press("n", "n", "n")
        assert frame(browser) == 8 and said(browser) == "That was the last stroke."
        browser.click(f'[data-label="{FOREHAND}"]')
        browser.run("document.activeElement.blur()")
        browser.press("r")
        choose("by-state", "unchecked")
        assert sums() == [2, 3, 3]
        choose("by-state", "right")
        assert sums() == [2, 1, 1] and said(browser) == "1 of 4 strokes are shown."
        cells = browser.run(
            f"return [...document.querySelector('[data-label=\"{FOREHAND}\"]').closest('tr').cells]"
            ".slice(1).map(c => +c.textContent)"
        )
        assert cells == [1, 1, 1]
        # A stroke that was deleted can be taken from its row again.
        choose("by-state", "")
        assert said(browser).startswith("4 of 4") and frame(browser) == 15
        browser.press(Keys.DELETE)
        assert sums() == [2, 4, 3]
        width = browser.run("return document.getElementById('lanes').clientWidth")
        browser.click("#lanes", (1 + 17 / 48 * width, 26 + ROW + 20))
        browser.press("t")
        assert sums() == [2, 4, 4] and (15, 20, BACKHAND) in kept(browser)
        assert browser.complaints() == []


def test_a_video_that_does_not_play(film: Path, tmp_path: Path) -> None:
    """The rest of the page works, and the video can be chosen; here nothing is kept either."""
    page = write_viewer(
        tmp_path / "v.html",
        video=tmp_path / "moved" / film.name,
        clock=probe_video(film).clock,
        classes=[],
        annotations=[Stroke("v", 6, 12, "loop"), Stroke("v", 20, 26)],
    )
    with opened(tmp_path / "v.html", DESK) as browser:
        browser.before_loading(
            "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
        )
        browser.reload()
        browser.wait("!document.getElementById('video-notice').hidden")
        assert film.name in browser.find("#video-problem").text
        assert "until you close it" in browser.find("#store-notice").text
        assert not browser.find("#play").is_enabled()
        # Names that tell no hand and no certainty: nothing to filter by.
        hidden = ("by-hand-field", "by-type-field", "by-sure-field", "sum-found")
        assert not any(browser.find(f"#{name}").is_displayed() for name in hidden)
        # Corrections begin with what was marked, since nothing was found.
        browser.press("n", "n", "2")
        assert frame(browser) == 21
        assert [t.partition("\n")[0] for t in browser.texts(".row .name")] == [
            "loop",
            "not known which",
        ]
        leaving = "const e = new Event('beforeunload', {cancelable: true}); dispatchEvent(e); "
        assert browser.run(leaving + "return e.defaultPrevented")
        browser.downloads_to(tmp_path / "saved")
        browser.click("#save-csv")
        saved = file_in(tmp_path / "saved", ".csv").read_text(encoding="utf-8")
        assert saved.splitlines()[1:] == [
            f"{film.name},6,12,loop,,no",
            f"{film.name},21,26,Unknown,,yes",
        ]
        assert not browser.run(leaving + "return e.defaultPrevented")
        browser.find("#choose-file").send_keys(str(film))
        loaded(browser)
        assert not browser.find("#video-notice").is_displayed()
        assert visible_frame(browser) == frame(browser) == 21
        # A table of another video, and one that does not fit, change nothing.
        for text, answer in (
            ("video,begin,end,label\nother.mp4,1,2,x\n", "other videos"),
            ("video;begin;end;label\nrally 1;1;2;x\nrally 1;5;99;x\n", "not in this video"),
            ("begin,end\n1,2\n", "no such table"),
        ):
            (tmp_path / "t.csv").write_text(text)
            browser.find("#load-file").send_keys(str(tmp_path / "t.csv"))
            browser.wait(f"document.getElementById('said').textContent.includes('{answer}')")
            assert len(browser.texts(".row")) == 2
    assert page == tmp_path / "v.html"


def test_elan_cannot_tell_short_frames_apart(tmp_path: Path) -> None:
    """At 3333 frames a second a time in whole milliseconds names no frame."""
    clock = Clock(3 * np.arange(101), Fraction(1, 10_000))
    page = write_viewer(
        tmp_path / "v.html",
        video=tmp_path / "v.mp4",
        clock=clock,
        classes=["a"],
        annotations=[Stroke("v", 10, 20, "a"), Stroke("v", 32, 50, "a")],
        name="day 1/v.mp4",
    )
    with viewer(page) as browser:
        browser.downloads_to(tmp_path / "saved")
        browser.click("#save-eaf")
        # 10 and 20 are 3 and 6 ms; 32 is 9.6 ms, and 10 ms is nearer to 33.
        assert said(browser).startswith("ELAN counts whole milliseconds, too few for the stroke at")
        assert "0:00.010" in said(browser)
        browser.press("n", "n", Keys.DELETE)
        browser.click("#save-eaf")
        saved = file_in(tmp_path / "saved", ".eaf").read_text()
        assert re.findall('TIME_VALUE="(.*?)"', saved) == ["3", "6"]
        # Of videos of one name in several folders, the folder tells which.
        assert 'RELATIVE_MEDIA_URL="./day 1/v.mp4"' in saved


def test_phone_and_keyboard(film: Path, tmp_path: Path) -> None:
    page = write_viewer(
        tmp_path / "v.html",
        video=film,
        clock=probe_video(film).clock,
        classes=[*STROKES, *HOSTILE, "x" * 100],
        annotations=[Stroke("v", 2, 30, "x" * 100, annotator="A" * 100)],
        detections=[detection(8 * n, 8 * n + 5, label) for n, label in enumerate(HOSTILE)],
        about="Of the model </p><script>alert(1)</script>.",
    )
    with viewer(page, PHONE) as browser:
        loaded(browser)
        browser.press("n", "c")
        assert browser.overflow() == []
        browser.press(Keys.ESCAPE)
        small = browser.run(
            """
            return [...document.querySelectorAll('button, select, input, #overview, #lanes, .row')]
              .filter(n => n.offsetParent && n.type !== 'checkbox')
              .filter(n => n.offsetHeight < 40 || n.offsetWidth < 40).map(n => n.id || n.className)
            """
        )
        assert small == []
        # Fingers: a tap chooses, one drags the timeline along, two spread it.
        shown = "document.querySelector('#lanes canvas').dataset.looked"
        box = browser.run("return document.getElementById('lanes').getBoundingClientRect()")
        row = box["top"] + 26 + 2 * 40 + 25
        browser.touch([(box["left"] + 18 / 48 * box["width"], row)])
        assert frame(browser) == 16
        # The next stroke lies under the handle of this one; a tap still chooses it.
        browser.touch([(box["left"] + 25 / 48 * box["width"], row)])
        assert frame(browser) == 24
        browser.press("p")
        assert frame(browser) == 16
        row -= 40
        several = int(browser.run(f"return {shown}"))
        middle = box["left"] + 18 / 48 * box["width"]
        browser.touch(*([(middle - 20 * n, row), (middle + 20 * n, row)] for n in range(1, 4)))
        browser.wait(f"{shown} < {several}")
        placed = "return document.querySelector('#lanes .playhead').style.transform"
        before = float(browser.run(placed).removeprefix("translateX(").removesuffix("px)"))
        # What was 40 px apart is 120 now, and what lay between the fingers is there still.
        apart = 3 * (18 - 16) / 48 * box["width"]
        assert before == pytest.approx(middle - box["left"] - apart, abs=1)
        browser.touch(*([(middle + 10 * n, row)] for n in range(9)))
        browser.wait(
            f"!document.querySelector('#lanes .playhead').style.transform.includes({before})"
        )
        after = float(browser.run(placed).removeprefix("translateX(").removesuffix("px)"))
        assert after - before == pytest.approx(80, abs=1) and frame(browser) == 16
        # The video stays in sight while one scrolls to the list.
        browser.run("document.getElementById('list').scrollIntoView()")
        top = browser.run("return document.getElementById('video').getBoundingClientRect().top")
        assert top >= -1
        # Each control can be reached by Tab, once, and says what it is.
        browser.reload()
        browser.press("n")
        browser.wait("!document.getElementById('handle-end').hidden")
        names = []
        for _ in range(90):
            browser.press(Keys.TAB)
            name = browser.run(
                "const n = document.activeElement; return n === document.body ? null :"
                "[n.id || n.dataset.label || n.className,"
                " n.ariaLabel || n.textContent.trim() || n.labels?.[0]?.textContent || n.title ||"
                " n.getAttribute('aria-labelledby')]"
            )
            if name is None or name in names:
                break
            names.append(name)
        reached = {name for name, _ in names}
        assert {"play", "lanes", "handle-begin", "label", "list", "save-csv", FOREHAND} <= reached
        assert [name for name, text in names if not text] == []
        browser.press("?")
        assert browser.find("#help").is_displayed() and browser.overflow() == []
        browser.press(Keys.ESCAPE)
        assert not browser.find("#help").is_displayed()
        assert browser.run("return document.title") == "rally 1.mp4: strokes"
        assert {Path(url).name for url in browser.requests()} == {"rally%201.mp4"}
        assert browser.complaints() == []


def test_two_hours_with_2000_strokes(tmp_path: Path) -> None:
    """The work for one picture is bounded by what can be seen, not by what there is."""
    frames = 2 * 3600 * 120
    clock = Clock(np.arange(frames + 1), Fraction(1, 120))
    rng = np.random.default_rng(3)
    begins = np.arange(2000) * (frames // 2000) + rng.integers(0, 200, 2000)
    rows = [(int(b), int(b) + 150, STROKES[1 + n % 20]) for n, b in enumerate(begins)]

    def page(count: int) -> Path:
        return write_viewer(
            tmp_path / f"{count}.html",
            video=tmp_path / "none.mp4",
            clock=clock,
            classes=STROKES,
            annotations=[Stroke("v", *row) for row in rows[:count]],
            detections=[detection(*row) for row in rows[:count]],
        )

    nodes = "return document.getElementsByTagName('*').length"
    with viewer(page(50)) as browser:
        few = browser.run(nodes)
    large = page(2000)
    assert large.stat().st_size < 400_000
    with viewer(large) as browser:
        assert browser.run(nodes) <= few

        def work() -> tuple[int, int]:
            time.sleep(0.1)
            done = browser.run("return {...document.querySelector('#lanes canvas').dataset}")
            return int(done["drawn"]), int(done["looked"])

        # Half a minute, rows: by hand, found, corrected, and the hand.
        visible = sum(begin < 30 * 120 for begin, _, _ in rows)
        assert work() == (4 * visible, 4 * visible)
        browser.press("0")
        drawn, visible = work()
        width = browser.run("return document.getElementById('lanes').clientWidth")
        assert visible == 4 * 2000 and drawn <= 5 * width
        browser.run("document.getElementById('list').focus()")
        browser.press(Keys.END, "z")
        # The stroke and its length on both sides.
        last = rows[-1][0]
        visible = sum(b < last + 300 and end > last - 150 for b, end, _ in rows)
        assert work() == (4 * visible, 4 * visible)
        for _ in range(3):
            browser.wheel("#lanes", 300)
        assert 4 * visible < work()[1] < 400
        browser.run("document.getElementById('list').scrollTop = 1000 * 48")
        browser.wait("document.querySelector('.row:nth-child(3) .when').textContent.includes(':')")
        listed = browser.texts(".row .name")
        assert rows[1000][2] in listed and len(listed) < 30
        assert browser.run(nodes) <= few + 40
        browser.press(Keys.DELETE)
        assert kept(browser) == rows[:-1]
        assert browser.run("return document.documentElement.scrollWidth") <= DESK


def test_strokes_outside_the_video(tmp_path: Path) -> None:
    clock = Clock(np.arange(11), Fraction(1, 10))
    arguments: dict[str, Any] = {"video": tmp_path / "v.mp4", "clock": clock, "classes": ["a"]}
    page = tmp_path / "v.html"
    with pytest.raises(UserError, match=r"frame 5 to 11 is none of 'v.mp4', which has 10 frames"):
        write_viewer(page, **arguments, annotations=[Stroke("v", 5, 11, "a")])
    with pytest.raises(UserError, match="frame 3 to 3"):
        write_viewer(page, **arguments, annotations=[Stroke("v", 3, 3, "a")])
    with pytest.raises(UserError, match="frame 9 to 12"):
        write_viewer(page, **arguments, detections=[detection(9, 12, "a")])
    assert not page.exists()


def test_the_same_strokes_give_the_same_page(tmp_path: Path) -> None:
    rows = [
        Stroke("v", 1, 4, "a", annotator="Ada"),
        Stroke("v", 0, 2, "b"),
        Stroke("v", 1, 4, "a", annotator="Bob"),
    ]
    pages = []
    for folder, own in (("one", rows), ("other", rows[::-1])):
        page = write_viewer(
            tmp_path / folder / "v.html",
            video=tmp_path / folder / "videos" / "ä?.mp4",
            clock=Clock(np.arange(11), Fraction(1, 10)),
            classes=["a", "b"],
            annotations=own,
        )
        pages.append(page.read_text(encoding="utf-8"))
    assert pages[0] == pages[1]
    assert str(tmp_path) not in pages[0] and '"videos/%C3%A4%3F.mp4"' in pages[0]
    # Nothing is loaded from anywhere.
    assert re.findall(r"""<[^<>]* (?:src|href)=(?!["']?data:)""", pages[0]) == []


@given(
    gaps=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    first=st.integers(-5, 5),
    base=st.fractions(Fraction(1, 10**6), 1, max_denominator=10**6),
)
def test_clocks_are_packed_without_loss(gaps: list[int], first: int, base: Fraction) -> None:
    ticks = np.concatenate([[first], first + np.cumsum(gaps)])
    packed = _packed(Clock(ticks, base))
    runs = packed["runs"]
    spread = [gap for gap, count in zip(runs[::2], runs[1::2], strict=True) for _ in range(count)]
    assert spread == gaps and packed["first"] == first and Fraction(*packed["base"]) == base
    # Neighbouring runs differ: a constant rate is one run.
    assert all(one != other for one, other in zip(runs[::2], runs[2::2], strict=False))
