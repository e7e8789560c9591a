from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.videos import distinct_frames, write_video
from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.detection import Detection
from twinstroke.annotations.folders import find_videos
from twinstroke.annotations.records import Reading
from twinstroke.errors import UserError
from twinstroke.findings import Findings
from twinstroke.formats import mediaeval
from twinstroke.results.submissions import (
    MOST_STROKES,
    check_submission,
    class_names,
    detection_videos,
    run_folder,
    write_classifications,
    write_detections,
)
from twinstroke.settings.choices import Edition
from twinstroke.settings.index import IndexSettings

FRAMES = 60
STROKES = [
    f"{kind} {hand} {stroke}"
    for kind, names in (
        ("Serve", "Backspin Loop Sidespin Topspin"),
        ("Offensive", "Hit Loop Flip"),
        ("Defensive", "Push Block Backspin"),
    )
    for hand in ("Forehand", "Backhand")
    for stroke in names.split()
]
EDITIONS: tuple[Edition, ...] = (2020, 2021, 2022)


def _found(begin: int, end: int, probability: float = 0.5, video: str = "a") -> Detection:
    return Detection(
        video=video,
        begin=begin,
        end=end,
        label="Serve Forehand Loop",
        begin_s=begin / 120,
        end_s=end / 120,
        probability=probability,
        stroke_probability=probability,
    )


def _root(path: Path) -> Element:
    """A file as the organisers' scripts read it."""
    return ElementTree.parse(path).getroot()  # noqa: S314 (written here)


def _xml(*actions: tuple[int, int, str]) -> str:
    """A template; the first action stands in line 3."""
    lines = [f'  <action begin="{b}" end="{e}" move="{move}" />' for b, e, move in actions]
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<video>", *lines, "</video>\n"])


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", distinct_frames(FRAMES))


@pytest.fixture
def test_set(tmp_path: Path, clip: Path) -> Path:
    """Test data of all editions: videos a and b, the one with two strokes, the other with one."""
    for name in ("a", "b"):
        for folder in ("videos", "detectionTask/test", "classificationTask/clips"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clip, tmp_path / folder / f"{name}.mp4")
        (tmp_path / f"detectionTask/test/{name}.xml").write_text("<video />")
    template = tmp_path / "classificationTask/test"
    template.mkdir()
    template.joinpath("a.xml").write_text(_xml((30, 60, "Unknown"), (0, 20, "Unknown")))
    template.joinpath("b.xml").write_text(_xml((8, 48, "Unknown")))
    (tmp_path / "classificationTask/test.xml").write_text(
        '<videos>\n<video name="a.mp4" class="Unknown" />\n<video name="b.mp4" class="Unknown" />\n'
        "</videos>\n"
    )
    return tmp_path


def _classify(video: Path, strokes: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
    """Negative is likeliest; then the stroke of the class list at the number of begin."""
    found = []
    for begin, _ in strokes:
        sure = dict.fromkeys(STROKES, 0.01)
        sure[STROKES[begin % 20]] = 0.3
        found.append({"Negative": 0.5, **sure})
    return found


def _template(root: Path, edition: Edition) -> Path:
    return root / ("classificationTask/test.xml" if edition == 2022 else "classificationTask/test")


def _classified(root: Path, edition: Edition, classify: object = _classify) -> Path:
    """A team with one run of classification."""
    run = run_folder(root / "out", "Team", "classificationTask", "1")
    clips = root / ("classificationTask/clips" if edition == 2022 else "videos")
    write_classifications(run, _template(root, edition), clips, edition, classify)  # type: ignore[arg-type]
    return root / "out/Team"


def _detected(root: Path) -> Path:
    """A team with one run of detection."""
    run = run_folder(root / "out", "Team", "detectionTask", "1")
    write_detections(run, {"a": [_found(0, 20), _found(30, 60)]}, {"a": FRAMES, "b": FRAMES})
    return root / "out/Team"


# The organisers' rules once more, in plain words: everything that is not refused here is accepted.


def _plain_classification(run: Path, template: Path, edition: Edition) -> bool:
    if edition == 2022:
        (file,) = run.iterdir()
        named = {v.get("name"): v.get("class") for v in _root(file)}
        wanted = {v.get("name") for v in _root(template)}
        return set(named) == wanted and all(c in [*STROKES, "Negative"] for c in named.values())
    if {f.name for f in run.iterdir()} != {f.name for f in template.iterdir()}:
        return False
    for file in template.iterdir():
        both = []
        for root in (_root(file), _root(run / file.name)):
            both.append(sorted((int(a.attrib["begin"]), int(a.attrib["end"])) for a in root))
        moves = [a.get("move") for a in _root(run / file.name)]
        if both[0] != both[1] or any(move not in STROKES for move in moves):
            return False
    return True


def _plain_detection(run: Path, frames: Mapping[str, int]) -> bool:
    if {f.name for f in run.iterdir()} != {f"{name}.xml" for name in frames}:
        return False
    for name, count in frames.items():
        sets = []
        for action in _root(run / f"{name}.xml"):
            begin, end = int(action.attrib["begin"]), int(action.attrib["end"])
            if not 0 <= begin <= end <= count:
                return False
            sets.append(set(range(begin, end)))
        for number, first in enumerate(sets):
            for second in sets[:number]:
                if first | second and len(first & second) / len(first | second) > 0.5:
                    return False
    return True


@pytest.mark.parametrize("edition", EDITIONS)
def test_names_are_those_of_the_organisers(edition: Edition) -> None:
    names = class_names(edition)
    assert set(names) == {*STROKES, *(["Negative"] if edition == 2022 else [])}
    assert len(names) == (21 if edition == 2022 else 20)


@pytest.mark.parametrize("edition", EDITIONS)
def test_classification(test_set: Path, edition: Edition) -> None:
    team = _classified(test_set, edition)
    run, template = team / "classificationTask/1", _template(test_set, edition)
    assert _plain_classification(run, template, edition)
    assert check_submission(team, edition, classification=template) == []
    if edition == 2022:
        root = _root(run / "test.xml")
        # The likeliest of all 21.
        assert [dict(v.attrib) for v in root] == [
            {"name": "a.mp4", "class": "Negative"},
            {"name": "b.mp4", "class": "Negative"},
        ]
    else:
        root = _root(run / "a.xml")
        # In the order of the template; the likeliest stroke, though Negative is likelier.
        assert [(a.get("begin"), a.get("move")) for a in root] == [
            ("30", STROKES[10]),
            ("0", STROKES[0]),
        ]


def test_network_sees_the_strokes_of_each_video_once(test_set: Path) -> None:
    calls = []

    def classify(video: Path, strokes: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
        calls.append((video, list(strokes)))
        return _classify(video, strokes)

    _classified(test_set, 2021, classify)
    videos, clips = test_set / "videos", test_set / "classificationTask/clips"
    assert calls == [
        (videos / "a.mp4", [(30, 60), (0, 20)]),
        (videos / "b.mp4", [(8, 48)]),
    ]
    calls.clear()
    shutil.rmtree(test_set / "out")
    _classified(test_set, 2022, classify)
    assert calls == [(clips / "a.mp4", [(0, FRAMES)]), (clips / "b.mp4", [(0, FRAMES)])]


def test_everything_else_of_the_template_stays(test_set: Path) -> None:
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        '<video author="J\xe9r\xf4me &amp; &quot;co&quot;">\n'
        '\t<!-- first -->\n\t<action note="a&lt;b" begin="0030" end="60" move="Unknown"/>\n</video>'
    )
    file = test_set / "classificationTask/test/b.xml"
    file.write_bytes(text.encode("latin-1"))
    team = _classified(test_set, 2021)
    root = _root(team / "classificationTask/1/b.xml")
    assert root.attrib == {"author": 'J\xe9r\xf4me & "co"'}
    assert root.text == "\n\t\n\t"
    assert "\n\t<!-- first -->\n" in (team / "classificationTask/1/b.xml").read_text("utf-8")
    expected = {"note": "a<b", "begin": "0030", "end": "60", "move": STROKES[10]}
    assert list(root[0].attrib.items()) == list(expected.items())
    assert check_submission(team, 2021, classification=_template(test_set, 2021)) == []


def test_equal_probabilities_give_the_first_class(test_set: Path) -> None:
    def equal(video: Path, strokes: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
        return [dict.fromkeys(["Other", *reversed(STROKES)], 0.1) for _ in strokes]

    run = _classified(test_set, 2020, equal) / "classificationTask/1"
    moves = [a.get("move") for a in _root(run / "a.xml")]
    assert moves == ["Serve Forehand Backspin"] * 2


def test_same_bytes_again(test_set: Path) -> None:
    def written() -> dict[Path, bytes]:
        _classified(test_set, 2021)
        return {path: path.read_bytes() for path in _detected(test_set).rglob("*.xml")}

    first = written()
    assert len(first) == 4
    assert written() == first


@pytest.mark.parametrize("edition", [2021, 2022])
def test_detection(test_set: Path, edition: Edition) -> None:
    templates = test_set / "detectionTask/test"
    videos = test_set / "videos" if edition == 2021 else templates
    frames = detection_videos(templates, videos)
    assert frames == {"a": FRAMES, "b": FRAMES}
    team = _detected(test_set)
    assert _plain_detection(team / "detectionTask/1", frames)
    assert check_submission(team, edition, detection=frames) == []
    root = _root(team / "detectionTask/1/a.xml")
    assert [a.attrib for a in root] == [{"begin": "0", "end": "20"}, {"begin": "30", "end": "60"}]
    assert len(_root(team / "detectionTask/1/b.xml")) == 0


def test_more_probable_detection_stays(tmp_path: Path) -> None:
    found = [
        _found(0, 40, 0.5),
        _found(4, 40, 0.7),  # stays
        _found(8, 40, 0.6),
        _found(36, 80, 0.1),  # stays: few frames shared
        _found(60, 100, 0.2),  # half of the frames above, not more: stays
        _found(90, 200, 0.9),  # cut at 110
        _found(150, 160, 0.9),  # beyond the end
    ]
    written = write_detections(tmp_path / "1", {"a": found}, {"a": 110})
    assert written == (1, 4, 2)
    root = _root(tmp_path / "1/a.xml")
    ranges = [(int(a.attrib["begin"]), int(a.attrib["end"])) for a in root]
    assert ranges == [(4, 40), (36, 80), (60, 100), (90, 110)]
    # Exactly a half is allowed: 20 of 40 frames.
    assert (
        write_detections(tmp_path / "1", {"a": [_found(0, 40), _found(0, 20)]}, {"a": 40})[1] == 2
    )
    assert (
        write_detections(tmp_path / "1", {"a": [_found(0, 40), _found(0, 21)]}, {"a": 40})[1] == 1
    )


RANGES = st.tuples(st.integers(0, 70), st.integers(0, 30)).map(lambda r: (r[0], r[0] + r[1]))


@given(st.lists(st.tuples(RANGES, st.sampled_from([0.1, 0.5, 0.9])), max_size=8))
@settings(max_examples=100, deadline=None)
def test_whatever_is_detected_is_written_soundly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[tuple[int, int], float]]
) -> None:
    team = tmp_path_factory.mktemp("team")
    run = team / "detectionTask/x"
    found = [_found(begin, end, p) for (begin, end), p in rows if begin < end]
    written = write_detections(run, {"a": found}, {"a": FRAMES})
    assert _plain_detection(run, {"a": FRAMES})
    inside = [row for row in found if row.begin < FRAMES]
    assert written.strokes + written.dropped == len(inside)
    assert (written.strokes > 0) == bool(inside)
    backwards = write_detections(run, {"a": found[::-1]}, {"a": FRAMES})
    assert backwards == written


@given(st.lists(RANGES, max_size=6))
@settings(max_examples=150, deadline=None)
def test_check_of_detections_agrees_with_a_plain_restatement(
    tmp_path_factory: pytest.TempPathFactory, ranges: list[tuple[int, int]]
) -> None:
    team = tmp_path_factory.mktemp("team")
    run = team / "detectionTask/x"
    run.mkdir(parents=True)
    actions = "".join(f'<action begin="{begin}" end="{end}" />' for begin, end in ranges)
    (run / "a.xml").write_text(f"<video>{actions}</video>")
    sound = check_submission(team, 2022, detection={"a": 80}) == []
    assert sound == _plain_detection(run, {"a": 80})


def test_index_reads_what_was_written(test_set: Path) -> None:
    """By the reader of the pipeline: strokes with classes, and strokes that are only strokes."""
    _classified(test_set, 2021)
    _detected(test_set)
    classified = [("a", 0, 20, STROKES[0]), ("a", 30, 60, STROKES[10]), ("b", 8, 48, STROKES[8])]
    detected = [("a", 0, 20, "Stroke"), ("a", 30, 60, "Stroke")]
    for task, classes, expected in (
        ("classificationTask", "ttstroke21", classified),
        ("detectionTask", ["Stroke"], detected),
    ):
        options = IndexSettings.model_validate(
            {"classes": classes, "fps": 120.0, "split": {"rule": "given"}}
        )
        findings = Findings()
        reading = Reading(ClassList(options), findings)
        find_videos(test_set, "videos", reading)
        files = sorted((test_set / f"out/Team/{task}/1").iterdir())
        mediaeval.read(files, test_set, options, reading)
        assert findings.all == []
        found = sorted((a.video, a.begin, a.end, a.label) for a in reading.annotations)
        assert found == expected


# Each rule broken once.

Break = Callable[[Path], object]


def _edit(name: str, old: str, new: str) -> Break:
    def edit(run: Path) -> None:
        text = (run / name).read_text()
        assert old in text
        (run / name).write_text(text.replace(old, new, 1))

    return edit


HIT = STROKES[10]  # of the stroke from 30 to 60, line 3 of a.xml
BROKEN_STROKES: list[tuple[Break, list[str]]] = [
    (
        _edit("a.xml", 'begin="30"', 'begin="31"'),
        [
            "1/a.xml:3: the template has no stroke (or no other) from 31 to 60; submit exactly the",
            "1/a.xml: the stroke from 30 to 60 is missing; submit exactly",
        ],
    ),
    (
        _edit("a.xml", 'end="60"', 'end="6O"'),
        [
            "1/a.xml:3: end is '6O'; write a whole frame number, 0 or more",
            "1/a.xml: the stroke from 30 to 60 is missing; submit exactly",
        ],
    ),
    (
        _edit("a.xml", "</video>", f'<action begin="0" end="20" move="{HIT}" /></video>'),
        [
            "1/a.xml: 3 strokes, 2 were expected; submit exactly",
            "1/a.xml:5: the template has no stroke (or no other) from 0 to 20; submit exactly",
        ],
    ),
    (
        _edit("a.xml", HIT, HIT.lower()),
        [f"1/a.xml:3: move {HIT.lower()!r} is none of the 20 classes; did you mean {HIT!r}?"],
    ),
    (
        _edit("a.xml", HIT, "Unknown"),
        ["1/a.xml:3: move 'Unknown' is none of the 20 classes; take one of: Serve Forehand Backs"],
    ),
    (
        _edit("a.xml", HIT, "Negative"),
        ["1/a.xml:3: move 'Negative' is none of the 20 classes; take one of: Serve Forehand Back"],
    ),
    (_edit("a.xml", f' move="{HIT}"', ""), ["1/a.xml:3: no move; name the class"]),
    (lambda run: (run / "b.xml").unlink(), ["1/b.xml: is missing; each run has all test files"]),
    (
        lambda run: (run / "notes.txt").write_text(""),
        ["1/notes.txt: is no file of the test set; remove it"],
    ),
    (_edit("a.xml", "</video>", ""), ["1/a.xml:5: not well-formed XML (no element found)"]),
    (
        _edit("a.xml", "<video>", "<!DOCTYPE video><video>"),
        ["1/a.xml: declares a document type or entities; remove the declaration"],
    ),
    (
        lambda run: (run / "a.xml").write_text("<videos />"),
        ["1/a.xml: its root is 'videos', not 'video'; see that the edition"],
    ),
    (
        lambda run: (run / "a.xml").rename(run / "c.xml").with_name("a.xml").symlink_to("c.xml"),
        ["1/c.xml: is no file of the test set", "1/a.xml: is no ordinary file; put the file there"],
    ),
    (
        lambda run: (run / "a.xml").write_bytes(b" " * (2**24 + 1)),
        ["1/a.xml: is larger than 16 MiB; write it anew"],
    ),
]


def _assert_problems(problems: list[str], team: Path, task: str, expected: list[str]) -> None:
    assert len(problems) == len(expected), problems
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(f"{team}/{task}/{start}"), problem


@pytest.mark.parametrize(("damage", "expected"), BROKEN_STROKES)
def test_broken_classification(test_set: Path, damage: Break, expected: list[str]) -> None:
    team = _classified(test_set, 2021)
    damage(team / "classificationTask/1")
    problems = check_submission(team, 2021, classification=_template(test_set, 2021))
    _assert_problems(problems, team, "classificationTask", expected)


def test_order_of_the_strokes_is_free(test_set: Path) -> None:
    team = _classified(test_set, 2021)
    file = team / "classificationTask/1/a.xml"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    assert check_submission(team, 2021, classification=_template(test_set, 2021)) == []


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            _edit("test.xml", "b.mp4", "c.mp4"),
            [
                "1/test.xml:4: 'c.mp4' is no test clip; remove it",
                "1/test.xml: clip 'b.mp4' is missing; add it",
            ],
        ),
        (
            _edit("test.xml", "b.mp4", "a.mp4"),
            [
                "1/test.xml:4: 'a.mp4' stands twice; leave one of them",
                "1/test.xml: clip 'b.mp4' is missing; add it",
            ],
        ),
        (
            _edit("test.xml", "Negative", "Unknown"),
            ["1/test.xml:3: class 'Unknown' is none of the 21 classes; take one of: Negative, Ser"],
        ),
        (
            lambda run: (run / "test.xml").rename(run / "run.xml"),
            [
                "1/test.xml: is missing; each run has all test files",
                "1/run.xml: is no file of the test set; remove it",
            ],
        ),
        (
            lambda run: (run / "test.xml").write_text("<videos />"),
            [
                "1/test.xml: 0 clips, 2 were expected",
                "1/test.xml: clip 'a.mp4' is missing; add it",
                "1/test.xml: clip 'b.mp4' is missing; add it",
            ],
        ),
    ],
)
def test_broken_classification_of_2022(test_set: Path, damage: Break, expected: list[str]) -> None:
    team = _classified(test_set, 2022)
    path = team / "classificationTask/1/test.xml"
    # Written on the lines of the template, after a declaration.
    assert path.read_text().splitlines()[2].startswith('<video name="a.mp4"')
    damage(team / "classificationTask/1")
    problems = check_submission(team, 2022, classification=_template(test_set, 2022))
    _assert_problems(problems, team, "classificationTask", expected)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            _edit("a.xml", 'begin="0"', 'begin="-1"'),
            ["1/a.xml:3: begin is '-1'; write a whole frame number, 0 or more"],
        ),
        (_edit("a.xml", 'begin="0" ', ""), ["1/a.xml:3: no begin; write a whole frame number"]),
        (
            _edit("a.xml", 'begin="0"', 'begin="21"'),
            ["1/a.xml:3: begin 21 is after end 20; correct one of them"],
        ),
        (
            _edit("a.xml", 'end="60"', 'end="61"'),
            ["1/a.xml:4: end 61 is beyond the 60 frames of the video; cut the stroke there"],
        ),
        (
            _edit("a.xml", 'begin="0" end="20"', 'begin="24" end="58"'),
            [
                "1/a.xml:4: the stroke from 30 to 60 has a temporal IoU above 0.5 with that from "
                "24 to 58 in line 3; leave the better one of them"
            ],
        ),
        (
            lambda run: (run / "b.xml").unlink(),
            ["1/b.xml: is missing; each run has all test files"],
        ),
        (
            lambda run: shutil.copyfile(run / "b.xml", run / "c.xml"),
            ["1/c.xml: is no file of the test set; remove it"],
        ),
        (
            _edit("a.xml", "<action", "<stroke"),
            ["1/a.xml:3: element 'stroke' where 'action' was expected; see that the file"],
        ),
        (
            lambda run: (run / "a.xml").write_text(
                "<video>" + '<action begin="1" end="1" />' * (MOST_STROKES + 1) + "</video>"
            ),
            ["1/a.xml: 10001 strokes, more than any video has (at most 10000); see"],
        ),
    ],
)
def test_broken_detection(test_set: Path, damage: Break, expected: list[str]) -> None:
    team = _detected(test_set)
    damage(team / "detectionTask/1")
    problems = check_submission(team, 2022, detection={"a": FRAMES, "b": FRAMES})
    _assert_problems(problems, team, "detectionTask", expected)


def test_strokes_that_share_exactly_half_are_two(test_set: Path) -> None:
    team = _detected(test_set)
    for end, problems in ((40, 0), (42, 1)):
        text = f'<video><action begin="0" end="{end}" /><action begin="0" end="80" />'
        (team / "detectionTask/1/a.xml").write_text(f"{text}</video>")
        assert len(check_submission(team, 2021, detection={"a": 80, "b": FRAMES})) == problems


def test_broken_folders(test_set: Path) -> None:
    team = _detected(test_set)
    frames = {"a": FRAMES, "b": FRAMES}
    task = team / "detectionTask"
    for run in "2345":
        shutil.copytree(task / "1", task / run)
    assert check_submission(team, 2022, detection=frames) == []
    shutil.copytree(task / "1", task / "6")
    (task / "readme").write_text("")
    (team / "detection").mkdir()
    assert check_submission(team, 2022, detection=frames) == [
        f"{team}/detection: is none of the folders classificationTask and detectionTask, where "
        "runs are looked for; rename or remove it",
        f"{task}/readme: is no folder of a run; put it into one, or remove it",
        f"{task}: holds 6 runs, at most 5 may be submitted; remove 1",
    ]
    shutil.rmtree(task)
    shutil.rmtree(team / "detection")
    assert check_submission(team, 2022, detection=frames) == [
        f"{task}: no such folder; put the runs there"
    ]
    task.mkdir()
    assert check_submission(team, 2022, detection=frames) == [
        f"{task}: holds no run; put at least one folder there"
    ]
    assert check_submission(team / "x", 2022, detection=frames) == [
        f"{team}/x: no such folder; name the folder of the team"
    ]
    with pytest.raises(UserError, match="2020 had no detection"):
        check_submission(team, 2020, detection=frames)


def test_every_run_is_checked(test_set: Path) -> None:
    team = _classified(test_set, 2021)
    task = team / "classificationTask"
    shutil.copytree(task / "1", task / "2")
    _edit("b.xml", STROKES[8], "Hit")(task / "2")
    (problem,) = check_submission(team, 2021, classification=_template(test_set, 2021))
    assert problem.startswith(f"{task}/2/b.xml:3: move 'Hit'")


def test_five_runs_and_no_more(tmp_path: Path) -> None:
    for run in "12345":
        run_folder(tmp_path, "Team", "detectionTask", run).mkdir(parents=True)
    assert run_folder(tmp_path, "Team", "detectionTask", "3").name == "3"
    assert run_folder(tmp_path, "Team", "classificationTask", "6").name == "6"
    with pytest.raises(UserError, match=r"has 5 runs \(1, 2, 3, 4, 5\)"):
        run_folder(tmp_path, "Team", "detectionTask", "6")


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "a\\b", "a\nb", "C:", "x" * 201])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    for team, run in ((name, "1"), ("Team", name)):
        with pytest.raises(UserError, match="cannot name a folder"):
            run_folder(tmp_path, team, "detectionTask", run)
    with pytest.raises(UserError, match="cannot name a file"):
        write_detections(tmp_path / "run", {}, {name: 5})
    assert list(tmp_path.iterdir()) == []


def test_folder_of_another_run_is_not_mixed_with_this_one(test_set: Path) -> None:
    team = _detected(test_set)
    with pytest.raises(UserError, match=r"1: holds 'b\.xml', which is no file of this run"):
        write_detections(team / "detectionTask/1", {}, {"a": FRAMES})
    (team / "classificationTask/1").mkdir(parents=True)
    (team / "classificationTask/1/test.xml").write_text("")
    with pytest.raises(UserError, match=r"1: holds 'test\.xml', which is no file of this run"):
        _classified(test_set, 2021)
    with pytest.raises(UserError, match="'c' is no test video"):
        write_detections(team / "detectionTask/2", {"c": []}, {"a": FRAMES})
    assert not (team / "detectionTask/2").exists()


@pytest.mark.parametrize(
    ("edition", "damage", "message"),
    [
        (2021, lambda root: (root / "videos/b.mp4").unlink(), "no video for b.xml; put it there"),
        (
            2021,
            lambda root: shutil.copyfile(root / "videos/b.mp4", root / "videos/b.MOV"),
            r"several videos of one name \(b\.MOV, b\.mp4\) for b\.xml; leave one",
        ),
        (
            2021,
            lambda root: _edit("a.xml", 'end="20"', 'end="0"')(root / "classificationTask/test"),
            r"a\.xml:4: begin 0 is not before end 0; take the template again",
        ),
        (
            2021,
            lambda root: _edit("a.xml", 'end="20"', "")(root / "classificationTask/test"),
            r"a\.xml:4: no end; write",
        ),
        (
            2021,
            lambda root: shutil.rmtree(root / "classificationTask/test"),
            "no XML files there; name the folder",
        ),
        (
            2021,
            lambda root: _edit("a.xml", "<video>", '<!DOCTYPE video [<!ENTITY a "b">]><video>')(
                root / "classificationTask/test"
            ),
            "declares a document type",
        ),
        (
            2022,
            lambda root: (root / "classificationTask/clips/b.mp4").unlink(),
            r"test\.xml:3: no clip 'b\.mp4' in .*clips; put it there",
        ),
        (
            2022,
            lambda root: (root / "classificationTask/clips/b.mp4").write_bytes(b"no video"),
            r"test\.xml:3: .*b\.mp4",
        ),
        (
            2022,
            lambda root: _edit("test.xml", "b.mp4", "../../videos/b.mp4")(
                root / "classificationTask"
            ),
            r"no clip '\.\./\.\./videos/b\.mp4'",
        ),
        (
            2022,
            lambda root: (root / "classificationTask/test.xml").unlink(),
            r"test\.xml: no such file; name the test\.xml",
        ),
    ],
)
def test_bad_templates(test_set: Path, edition: Edition, damage: Break, message: str) -> None:
    damage(test_set)
    with pytest.raises(UserError, match=message) as caught:
        _classified(test_set, edition)
    assert len(caught.value.problems) == 1
    assert not (test_set / "out").exists()


def test_bad_test_videos_are_all_named(test_set: Path) -> None:
    (test_set / "videos/a.mp4").unlink()
    (test_set / "videos/b.mp4").write_bytes(b"")
    with pytest.raises(UserError) as caught:
        detection_videos(test_set / "detectionTask/test", test_set / "videos")
    first, second = caught.value.problems
    assert "no video for a.xml" in first
    assert "b.mp4: the video file is empty" in second


def test_networks_of_other_sports(test_set: Path) -> None:
    with pytest.raises(UserError, match=r"classes \(Smash\) are none of the task's"):
        _classified(test_set, 2021, lambda video, strokes: [{"Smash": 1.0}] * len(strokes))
    assert not (test_set / "out").exists()
    with pytest.raises(ValueError, match="0 classes of 2 strokes"):
        _classified(test_set, 2021, lambda video, strokes: [])
