from __future__ import annotations

import os
import time
import unicodedata
from collections import Counter
from fractions import Fraction
from itertools import pairwise
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from defusedxml import ElementTree
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.annotations.classes import ClassList
from twinstroke.annotations.records import Annotation, Reading, Seconds
from twinstroke.annotations.strokes import Stroke
from twinstroke.errors import UserError
from twinstroke.findings import Finding, Findings
from twinstroke.formats import elan
from twinstroke.settings.index import IndexSettings
from twinstroke.video.clock import Clock

# What ELAN 6 saves: attributes in alphabetical order, media, slots in the order of time, tiers (the
# last three depend on the first), types, constraints.
SAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-02T10:43:59+01:00" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR EXTRACTED_FROM="file:///C:/match/a.mp4"
            MEDIA_URL="file:///C:/match/a.wav" MIME_TYPE="audio/x-wav"
            RELATIVE_MEDIA_URL="./a.wav"/>
        <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/match/a.mp4" MIME_TYPE="video/mp4"
            RELATIVE_MEDIA_URL="../videos/a.mp4"/>
        <PROPERTY NAME="URN">urn:nl-mpi-tools-elan-eaf:70181d77-76a1</PROPERTY>
        <PROPERTY NAME="lastUsedAnnotationId">7</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="400"/>
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="425"/>
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="1250"/>
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="2000"/>
        <TIME_SLOT TIME_SLOT_ID="ts5" TIME_VALUE="2601"/>
    </TIME_ORDER>
    <TIER ANNOTATOR="Anna" LINGUISTIC_TYPE_REF="default-lt" TIER_ID="strokes@A">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE>Push</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5">
                <ANNOTATION_VALUE> Hit
                </ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER ANNOTATOR=" " LINGUISTIC_TYPE_REF="default-lt" TIER_ID="strokes@B">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
                <ANNOTATION_VALUE/>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="strokes@A" TIER_ID="spin">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a4" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>Top</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="note" PARENT_REF="spin" TIER_ID="doubt">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a5" ANNOTATION_REF="a4">
                <ANNOTATION_VALUE>Side</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="part" PARENT_REF="strokes@A" TIER_ID="phases">
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a6" ANNOTATION_REF="a1">
                <ANNOTATION_VALUE>Swing</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
        <ANNOTATION>
            <REF_ANNOTATION ANNOTATION_ID="a7" ANNOTATION_REF="a1" PREVIOUS_ANNOTATION="a6">
                <ANNOTATION_VALUE>Touch</ANNOTATION_VALUE>
            </REF_ANNOTATION>
        </ANNOTATION>
    </TIER>
    <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="empty"/>
    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt"
        TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false"
        LINGUISTIC_TYPE_ID="note" TIME_ALIGNABLE="false"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Subdivision" GRAPHIC_REFERENCES="false"
        LINGUISTIC_TYPE_ID="part" TIME_ALIGNABLE="false"/>
    <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation"
        STEREOTYPE="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""
STROKES = ["strokes@*"]


def _settings(**changes: Any) -> IndexSettings:
    values = {"classes": "found", "fps": 120.0, "split": {"rule": "given"}, "tiers": STROKES}
    return IndexSettings.model_validate({**values, **changes})


def _read(raw: Path, *videos: str, **changes: Any) -> Reading:
    """All .eaf files below a folder, about these videos (a.mp4, if none is named)."""
    options = _settings(**changes)
    reading = Reading(ClassList(options), Findings())
    for video in videos or ("a.mp4",):
        name = PurePosixPath(video)
        reading.add_video(name.stem, raw / "videos" / video, name)
    elan.read(sorted(raw.rglob("*.eaf")), raw, options, reading)
    return reading


def _put(raw: Path, text: str, name: str = "a.eaf") -> None:
    file = raw / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _times(annotation: Annotation) -> tuple[Fraction, Fraction]:
    assert isinstance(annotation.begin, Seconds)
    assert isinstance(annotation.end, Seconds)
    return annotation.begin.value, annotation.end.value


def _rows(reading: Reading) -> list[tuple[Any, ...]]:
    return [(*_times(a), a.label, a.annotator, a.place.row) for a in reading.annotations]


def _told(reading: Reading) -> list[Finding]:
    """All findings but those of strokes without a label, of which the examples have many."""
    return [item for item in reading.findings.all if item.found != "has no label"]


def test_tiers_are_annotators_and_times_are_exact_milliseconds(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path)
    assert _told(reading) == []
    assert _rows(reading) == [
        (Fraction(2, 5), Fraction(5, 4), "Push", "Anna", "annotation a1"),
        (Fraction(2), Fraction(2601, 1000), "Hit", "Anna", "annotation a2"),
        (Fraction(17, 40), Fraction(5, 4), None, "strokes@B", "annotation a3"),
    ]
    assert {(a.video, a.split, a.place.file) for a in reading.annotations} == {
        ("a", None, str(tmp_path / "a.eaf"))
    }


def test_dependent_annotations_take_the_times_of_what_they_refer_to(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path, tiers=["spin", "d?ubt"])
    assert _told(reading) == []
    assert _rows(reading) == [
        (Fraction(2, 5), Fraction(5, 4), "Top", "spin", "annotation a4"),
        (Fraction(2, 5), Fraction(5, 4), "Side", "doubt", "annotation a5"),
    ]


def test_without_patterns_all_tiers_are_read(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    labels = {a.label for a in _read(tmp_path, tiers=[]).annotations}
    assert labels == {"Push", "Hit", None, "Top", "Side"}


def test_patterns_that_name_no_tier_are_an_error_not_an_empty_video(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path, tiers=["Strokes*"])
    (finding,) = reading.findings.errors
    assert "strokes@A" in finding.found
    assert finding.file == str(tmp_path / "a.eaf")
    assert reading.annotated == set()


def test_a_file_without_annotations_is_about_its_video_all_the_same(tmp_path: Path) -> None:
    start, _, rest = SAMPLE.partition("<TIER ")
    _put(tmp_path, start + rest[rest.index("<LINGUISTIC_TYPE G") :])
    reading = _read(tmp_path)
    assert _told(reading) == []
    assert (reading.annotations, reading.annotated) == ([], {"a"})


@pytest.mark.parametrize(("origin", "begin"), [("0", 400), ("1500", 1900), ("-400", 0)])
def test_the_time_origin_of_the_video_is_added(tmp_path: Path, origin: str, begin: int) -> None:
    # ELAN plays a medium at t + TIME_ORIGIN; that of the sound must not count.
    text = SAMPLE.replace('"video/mp4"', f'"video/mp4" TIME_ORIGIN="{origin}"')
    _put(tmp_path, text.replace('"audio/x-wav"', '"audio/x-wav" TIME_ORIGIN="77"'))
    first = _read(tmp_path).annotations[0]
    assert _times(first) == (Fraction(begin, 1000), Fraction(begin + 850, 1000))


def test_times_before_the_video_are_errors(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE.replace('"video/mp4"', '"video/mp4" TIME_ORIGIN="-401"'))
    reading = _read(tmp_path)
    assert [finding.row for finding in reading.findings.errors] == ["annotation a1"]
    assert len(reading.annotations) == 2


@pytest.mark.parametrize(
    ("urls", "video"),
    [
        ([("file:///C:/x/b.mp4", "./a.mp4")], "a"),
        ([("file:///C:/x/b.mp4", "")], "b"),
        ([("file:///C:/x/b.mp4", None)], "b"),
        ([("a.wav", "a.wav"), ("c.MOV", None), ("b.mp4", None)], "c"),
        ([("https://host/clips/my%20match%20%28ü%29.mp4", None)], "my match (ü)"),
        ([("file:///D:/my match (ü).mp4", None)], "my match (ü)"),
        ([(r"C:\match\b.mp4", None)], "b"),
        # Both names exist: ELAN wrote the first as it is.
        ([("./50%41.mp4", None)], "50%41"),
        ([("./50%42.mp4", None)], "50B"),
        ([("sound.wav", "sound.wav")], "x"),
        ([], "x"),
    ],
)
def test_the_video_is_the_first_medium_that_is_one(
    tmp_path: Path, urls: list[tuple[str, str | None]], video: str
) -> None:
    media = "".join(
        f"<MEDIA_DESCRIPTOR MEDIA_URL={quoteattr(url)} "
        + (f"RELATIVE_MEDIA_URL={quoteattr(relative)}/>" if relative is not None else "/>")
        for url, relative in urls
    )
    start, _, rest = SAMPLE.partition("<MEDIA_DESCRIPTOR")
    _put(tmp_path, start + media + rest[rest.index("<PROPERTY") :], "folder/x.eaf")
    names = ["a.mp4", "b.mp4", "c.MOV", "my match (ü).mp4", "50%41.mp4", "50A.mp4", "50B.mp4"]
    reading = _read(tmp_path, *names, "x.mp4")
    assert _told(reading) == []
    assert {a.video for a in reading.annotations} == {video}


def test_the_innermost_folder_named_after_a_split_says_it(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE, "train/Valid/a.eaf")
    assert {a.split for a in _read(tmp_path).annotations} == {"validation"}


DAMAGED = {
    "unaligned": ('"ts5" TIME_VALUE="2601"', '"ts5"', "annotation a2", "not aligned"),
    "no slot": ('TIME_SLOT_REF2="ts5"', 'TIME_SLOT_REF2="ts9"', "annotation a2", "ts9"),
    "no reference": ('TIME_SLOT_REF2="ts5"', "", "annotation a2", "not in the file"),
    "decimals": ('"2601"', '"2601.5"', "annotation a2", "2601.5"),
    "negative": ('"2601"', '"-2601"', "annotation a2", "-2601"),
    "huge": ('"2601"', '"' + "9" * 5000 + '"', "annotation a2", "99999"),
    "too late": ('"2601"', '"999999999999"', "annotation a2", "out of any video"),
    "backwards": ('"2601"', '"2000"', "annotation a2", "before"),
    "arabic digits": ('"2601"', '"٢٦٠١"', "annotation a2", "٢٦٠١"),
    "no id": (
        '<ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts4" TIME_SLOT_REF2="ts5"',
        '<ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts5" TIME_SLOT_REF2="ts4"',
        "annotation at line 28",
        "before",
    ),
    "slot twice": (
        "</TIME_ORDER>",
        '<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1"/></TIME_ORDER>',
        "20",
        "'ts1'",
    ),
    "annotation twice": ('"a7"', '"a1"', "64", "'a1'"),
    "units": ('"milliseconds"', '"PAL-frames"', "5", "PAL-frames"),
    "origin": ('"video/mp4"', '"video/mp4" TIME_ORIGIN="1e3"', "", "1e3"),
    "no video": ("videos/a.mp4", "videos/z.mp4", "", "z.mp4"),
    "cut": ("</ANNOTATION_DOCUMENT>", "", "77", "well-formed"),
    "root": ("ANNOTATION_DOCUMENT", "ANNOTATIONS", "2", "ANNOTATIONS"),
    "control character": ("Push", "Pu&#0;sh", "24", "well-formed"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_found_with_its_place(tmp_path: Path, case: str) -> None:
    whole, damaged, row, words = DAMAGED[case]
    assert whole in SAMPLE
    _put(tmp_path, SAMPLE.replace(whole, damaged))
    reading = _read(tmp_path)
    (finding,) = _told(reading)
    assert finding.severity == "error"
    assert (finding.file, finding.row) == (str(tmp_path / "a.eaf"), row)
    assert words in finding.found
    assert len(str(finding)) < 1000
    # What is wrong with one annotation leaves the others, anything else the file unread.
    assert len(reading.annotations) == (2 if row.startswith("annotation") else 0)
    assert bool(reading.annotated) == bool(reading.annotations)


@pytest.mark.parametrize(
    ("tier", "whole", "damaged", "row", "words"),
    [
        ("doubt", 'ANNOTATION_REF="a4"', 'ANNOTATION_REF="a99"', "a5", "a99"),
        ("doubt", 'ANNOTATION_REF="a4"', 'ANNOTATION_REF="a5"', "a5", "itself"),
        ("doubt", '"a4" ANNOTATION_REF="a1"', '"a4" ANNOTATION_REF="a5"', "a5", "itself"),
        ("doubt", 'ANNOTATION_REF="a4"', 'ANNOTATION_REF="a6"', "a5", "subdivision"),
        ("spin", '"ts3" TIME_VALUE="1250"', '"ts3"', "a4", "not aligned"),
    ],
)
def test_references_that_lead_to_no_times_are_errors(
    tmp_path: Path, tier: str, whole: str, damaged: str, row: str, words: str
) -> None:
    assert whole in SAMPLE
    _put(tmp_path, SAMPLE.replace(whole, damaged))
    reading = _read(tmp_path, tiers=[tier])
    (finding,) = _told(reading)
    assert (finding.severity, finding.row) == ("error", f"annotation {row}")
    assert words in finding.found
    assert reading.annotations == []


def test_parts_of_a_symbolic_subdivision_have_no_times(tmp_path: Path) -> None:
    _put(tmp_path, SAMPLE)
    errors = _read(tmp_path, tiers=["phases"]).findings.errors
    assert [finding.row for finding in errors] == ["annotation a6", "annotation a7"]


BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
HOSTILE = {
    "bomb": f'<!DOCTYPE x [<!ENTITY e0 "lol">{BOMB}]>'
    "<ANNOTATION_DOCUMENT>&e9;</ANNOTATION_DOCUMENT>",
    "external entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    "<ANNOTATION_DOCUMENT>&e;</ANNOTATION_DOCUMENT>",
    "external type": '<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd"><ANNOTATION_DOCUMENT/>',
    "empty": "",
    "text": "begin,end\n1,2\n",
    "unknown encoding": '<?xml version="1.0" encoding="klingon"?><ANNOTATION_DOCUMENT/>',
    "wrong encoding": '<?xml version="1.0" encoding="UTF-16"?><ANNOTATION_DOCUMENT/>',
    "deep": "<ANNOTATION_DOCUMENT>" + "<TIER>" * 20_000,
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused(tmp_path: Path, case: str) -> None:
    _put(tmp_path, HOSTILE[case])
    reading = _read(tmp_path)
    (finding,) = _told(reading)
    assert (finding.severity, finding.file) == ("error", str(tmp_path / "a.eaf"))
    assert reading.annotated == set()


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    _put(tmp_path, "")
    os.truncate(tmp_path / "a.eaf", 2**28 + 1)
    (finding,) = _told(_read(tmp_path))
    assert (finding.severity, finding.file) == ("error", str(tmp_path / "a.eaf"))
    assert "256" in finding.found


def test_one_bad_file_leaves_the_others_readable(tmp_path: Path) -> None:
    _put(tmp_path, "<", "0.eaf")
    _put(tmp_path, SAMPLE)
    reading = _read(tmp_path)
    assert len(reading.findings.errors) == 1
    assert len(reading.annotations) == 3


def test_long_chains_of_references_take_linear_time(tmp_path: Path) -> None:
    count = 15_000
    links = "".join(
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="r{n}" ANNOTATION_REF="r{n + 1}">'
        "<ANNOTATION_VALUE>Hit</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
        for n in range(count)
    )
    text = SAMPLE.replace('<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="empty"/>', "")
    text = text.replace("</TIER>\n    <TIER ANNOTATOR", f"{links}</TIER>\n    <TIER ANNOTATOR", 1)
    for last, strokes in ((f"r{count}", 3), ("r5", 3), ("a1", count + 3)):
        _put(tmp_path, text.replace(f'"r{count}"', f'"{last}"'))
        began = time.process_time()
        reading = _read(tmp_path)
        assert time.process_time() - began < 5
        assert len(reading.annotations) == strokes


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "a.eaf").write_bytes(content)
        reading = _read(Path(folder))
    assert reading.annotations == []
    assert reading.findings.errors


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_arbitrary_damage_to_a_file_never_raises(data: st.DataObject) -> None:
    content = SAMPLE.encode()
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, min(begin + 60, len(content))))
    inserted = data.draw(st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b"<", b"a1"])))
    with TemporaryDirectory() as folder:
        Path(folder, "a.eaf").write_bytes(content[:begin] + inserted + content[end:])
        reading = _read(Path(folder), tiers=[])
    assert reading.annotations or reading.findings.errors


def _tiers(*tiers: tuple[str, list[str]], media: str = "./a.mp4", mime: str = "video/mp4") -> str:
    """A file with tiers (their attributes, and values of strokes of a second each)."""
    slots, marks = "", ""
    for number, (attributes, values) in enumerate(tiers):
        marks += f'<TIER LINGUISTIC_TYPE_REF="t" {attributes}>'
        for place, value in enumerate(values):
            name = f"{number}_{place}"
            for end in (0, 1):
                slots += (
                    f'<TIME_SLOT TIME_SLOT_ID="s{name}_{end}" TIME_VALUE="{1000 * (place + end)}"/>'
                )
            marks += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{name}" '
                f'TIME_SLOT_REF1="s{name}_0" TIME_SLOT_REF2="s{name}_1">'
                f"<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
            )
        marks += "</TIER>"
    return (
        '<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR '
        f'MEDIA_URL="{media}" MIME_TYPE="{mime}"/></HEADER><TIME_ORDER>{slots}</TIME_ORDER>{marks}'
        '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="t"/></ANNOTATION_DOCUMENT>'
    )


def _meant(reading: Reading) -> list[tuple[str | None, str, str]]:
    return [(a.label, a.annotator, a.group) for a in reading.annotations]


ADA, BEN = 'TIER_ID="A" PARTICIPANT="Ada"', 'TIER_ID="B" PARTICIPANT="Ben"'
BY_CLASS = (('TIER_ID="Hit"', ["Hit", "", " Hit"]), ('TIER_ID="Push" PARTICIPANT="Ada"', ["Push"]))
MEANT: dict[str, tuple[tuple[tuple[str, list[str]], ...], dict[str, Any], str, list[Any]]] = {
    "players": (
        ((ADA, ["Hit"]), (BEN, ["Push"])),
        {},
        "players",
        [("Hit", "", "Ada"), ("Push", "", "Ben")],
    ),
    "one player": (((ADA, ["Hit"]),), {}, "", [("Hit", "A", "Ada")]),
    "two tiers of one player": (
        ((ADA, ["Hit"]), ('TIER_ID="B" PARTICIPANT="Ada"', ["Push"])),
        {},
        "",
        [("Hit", "A", "Ada"), ("Push", "B", "Ada")],
    ),
    "one tier without": (
        ((ADA, ["Hit"]), (BEN, ["Push"]), ('TIER_ID="C"', ["Hit"])),
        {},
        "",
        [("Hit", "A", "Ada"), ("Push", "B", "Ben"), ("Hit", "C", "")],
    ),
    "players with an annotator": (
        ((f'{ADA} ANNOTATOR="Eve"', ["Hit"]), (BEN, ["Push"])),
        {},
        "",
        [("Hit", "Eve", "Ada"), ("Push", "B", "Ben")],
    ),
    "players as said": (
        (('TIER_ID="Ada" ANNOTATOR="Eve"', ["Hit"]), (BEN, ["Push"])),
        {"elan": {"tiers_are": "players"}},
        "",
        [("Hit", "Eve", "Ada"), ("Push", "", "Ben")],
    ),
    "annotators as said": (
        ((ADA, ["Hit"]), (BEN, ["Push"])),
        {"elan": {"tiers_are": "annotators"}},
        "",
        [("Hit", "A", "Ada"), ("Push", "B", "Ben")],
    ),
    "another group": (
        ((ADA, ["Hit"]),),
        {"split": {"rule": "given", "group": "club"}},
        "",
        [("Hit", "A", "")],
    ),
    "classes": (BY_CLASS, {}, "classes", [("Hit", "", "")] * 3 + [("Push", "", "Ada")]),
    "one other value": (
        (*BY_CLASS, ('TIER_ID="C"', ["x"])),
        {"classes": ["Hit", "Push", "x"]},
        "",
        [
            ("Hit", "Hit", ""),
            (None, "Hit", ""),
            ("Hit", "Hit", ""),
            ("Push", "Push", "Ada"),
            ("x", "C", ""),
        ],
    ),
    "without values": (
        (('TIER_ID="Hit"', [""]), ('TIER_ID="Push"', [""])),
        {},
        "",
        [(None, "Hit", ""), (None, "Push", "")],
    ),
    "listed, without values": (
        (('TIER_ID="Hit"', [""]), ('TIER_ID="Push"', [""])),
        {"classes": ["Hit", "Push"]},
        "classes",
        [("Hit", "", ""), ("Push", "", "")],
    ),
    "classes as said": (
        (('TIER_ID="Hit" ANNOTATOR="Eve"', ["good"]), ('TIER_ID="Push"', ["?"])),
        {"elan": {"tiers_are": "classes"}},
        "",
        [("Hit", "Eve", ""), ("Push", "", "")],
    ),
}


@pytest.mark.parametrize("case", MEANT)
def test_what_tiers_stand_for(tmp_path: Path, case: str) -> None:
    tiers, changes, told, expected = MEANT[case]
    _put(tmp_path, _tiers(*tiers))
    reading = _read(tmp_path, **{"tiers": [], **changes})
    assert _meant(reading) == expected
    assert [(f.severity, f.check) for f in _told(reading)] == (
        [("warning", "tier")] if told else []
    )
    if told:
        (finding,) = _told(reading)
        # The advice, followed: nothing changes but that nothing is told.
        said = {"elan": {"tiers_are": told}}
        assert f"index.elan.tiers_are: {told}" in finding.advice
        again = _read(tmp_path, **{"tiers": [], **changes, **said})
        assert (_meant(again), _told(again)) == (expected, [])


def test_what_tiers_were_taken_for_is_told_once_for_all_files(tmp_path: Path) -> None:
    for name in ("a.eaf", "b.eaf", "c.eaf"):
        _put(tmp_path, _tiers(*BY_CLASS), name)
    (told,) = _told(_read(tmp_path, tiers=[]))
    assert told.found == "the tiers of this file, and of 2 others, are read as classes"


@pytest.mark.parametrize(
    ("media", "mime", "video"),
    [
        ("file:///C:/x/a.mpg", "video/mpeg", "a"),
        ("./a.mov", "video/quicktime", "a"),
        ("./gone.mpg", "video/mpeg", "b"),
        ("./gone.mov", "video/quicktime", None),
        ("./a.1", "video/mpeg", "b"),
        ("./a.wav", "audio/x-wav", "b"),
    ],
)
def test_a_video_that_got_another_suffix_is_found(
    tmp_path: Path, media: str, mime: str, video: str | None
) -> None:
    _put(tmp_path, _tiers(('TIER_ID="x"', ["Hit"]), media=media, mime=mime), "b.eaf")
    reading = _read(tmp_path, "a.mp4", "b.mp4", tiers=[])
    assert [a.video for a in reading.annotations] == ([video] if video else [])
    assert [media in error.found for error in reading.findings.errors] == ([] if video else [True])


def test_a_medium_that_fits_no_video_is_named(tmp_path: Path) -> None:
    text = _tiers(('TIER_ID="x"', ["Hit"]), media="./gone.mpg", mime="video/mpeg")
    _put(tmp_path, text, "other.eaf")
    (error,) = _read(tmp_path, tiers=[]).findings.errors
    assert "no video './gone.mpg'" in error.found


# Everything that XML 1.0 can hold, the awkward ones often.
TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        st.sampled_from("\t\n\r\x7f\x85&<>\"']%  "),
    ),
    max_size=12,
)
# A class that is found must be printable.
LABEL = TEXT.filter(lambda text: " ".join(text.split()).isprintable())
MOMENT = st.tuples(st.integers(0, 10**7), st.integers(-499, 499))


class _Microseconds(Clock):
    """A frame a microsecond."""

    def time_of(self, frame: int) -> Fraction:
        return Fraction(frame, 10**6)


MICROSECONDS = _Microseconds(np.array([0, 1]), Fraction(1, 10**6))


@st.composite
def _stroke(draw: st.DrawFn) -> tuple[Stroke, tuple[Any, ...]]:
    """A stroke, and what has to be read of it."""
    moments = draw(st.lists(MOMENT, min_size=2, max_size=2, unique_by=lambda moment: moment[0]))
    (begin, end), label = sorted(moments), draw(LABEL)
    annotator = draw(
        st.one_of(st.sampled_from(["", " ", "Anna", "Anna ", "Anna 2", "strokes"]), TEXT)
    )
    first, last = (1000 * ms + part for ms, part in (begin, end))
    known = _composed(label)
    player = draw(st.one_of(st.sampled_from(["", "Anna", "Ben", "Ben 2"]), TEXT))
    return Stroke("v", first, last, label, annotator=annotator, group=player), (
        Fraction(begin[0], 1000),
        Fraction(end[0], 1000),
        known if known not in ("", "Unknown") else None,
        _composed(annotator) or "strokes",
        _composed(player),
    )


def _composed(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@settings(max_examples=150, deadline=None)
@given(
    strokes=st.lists(_stroke(), max_size=8), name=TEXT.filter(lambda n: not set(n) & set("/\\%"))
)
def test_what_is_written_is_read_again(
    strokes: list[tuple[Stroke, tuple[Any, ...]]], name: str
) -> None:
    video = f"v{name}.mp4"
    with TemporaryDirectory() as folder:
        elan.write(
            Path(folder, "other.eaf"), video, [stroke for stroke, _ in strokes], MICROSECONDS
        )
        reading = _read(Path(folder), video, tiers=[])
    assert _told(reading) == []
    assert reading.annotated == {PurePosixPath(video).stem}
    read = ((*_times(a), a.label, a.annotator, a.group) for a in reading.annotations)
    assert Counter(read) == Counter(row for _, row in strokes)


@settings(deadline=None)
@given(strokes=st.lists(_stroke(), min_size=1, max_size=8))
def test_what_is_written_keeps_the_rules_of_elan(
    strokes: list[tuple[Stroke, tuple[Any, ...]]],
) -> None:
    with TemporaryDirectory() as folder:
        elan.write(Path(folder, "a.eaf"), "a.mp4", [stroke for stroke, _ in strokes], MICROSECONDS)
        elan.write(
            Path(folder, "b.eaf"),
            "a.mp4",
            [stroke for stroke, _ in reversed(strokes)],
            MICROSECONDS,
        )
        content = Path(folder, "a.eaf").read_bytes()
        assert content == Path(folder, "b.eaf").read_bytes()
    root = ElementTree.fromstring(content)
    kinds = [child.tag for child in root]
    assert kinds == sorted(kinds, key=["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE"].index), (
        "the schema's order"
    )
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE", "")) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    assert len(slots) == 2 * len(strokes)
    types = {element.get("LINGUISTIC_TYPE_ID") for element in root.iter("LINGUISTIC_TYPE")}
    tiers = root.findall("TIER")
    assert len({tier.get("TIER_ID") for tier in tiers}) == len(tiers)
    assert {tier.get("LINGUISTIC_TYPE_REF") for tier in tiers} <= types
    for tier in tiers:
        spans = [
            (slots[mark.get("TIME_SLOT_REF1")], slots[mark.get("TIME_SLOT_REF2")])
            for mark in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
    marks = list(root.iter("ALIGNABLE_ANNOTATION"))
    assert len({mark.get("ANNOTATION_ID") for mark in marks}) == len(marks) == len(strokes)


def test_strokes_that_do_not_overlap_share_the_tier_of_their_annotator(tmp_path: Path) -> None:
    spans = [(0, 2), (1, 3), (2, 4), (4, 5)]
    strokes = [Stroke("v", b, e, "Hit", annotator=w) for b, e in spans for w in ("Ben", "")]
    clock = Clock(np.arange(6), Fraction(1))
    elan.write(tmp_path / "a.eaf", "a.mp4", strokes, clock)
    tiers = ElementTree.parse(tmp_path / "a.eaf").findall("TIER")
    assert [(t.get("TIER_ID"), t.get("ANNOTATOR"), len(t)) for t in tiers] == [
        ("Ben", "Ben", 3),
        ("strokes", "strokes", 3),
        ("Ben 2", "Ben", 1),
        ("strokes 2", "strokes", 1),
    ]


def test_halves_of_a_millisecond_go_up(tmp_path: Path) -> None:
    strokes = [Stroke("v", n, n + 2, "Hit") for n in (1, 3, 5)]
    elan.write(tmp_path / "a.eaf", "a.mp4", strokes, Clock(np.arange(8), Fraction(1, 2000)))
    found = [_times(a) for a in _read(tmp_path, tiers=[]).annotations]
    assert found == [(Fraction(n, 1000), Fraction(n + 1, 1000)) for n in (1, 2, 3)]


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\ud800", "\ufffe"])
@pytest.mark.parametrize("field", ["label", "annotator", "video"])
def test_what_xml_cannot_hold_is_not_written(tmp_path: Path, text: str, field: str) -> None:
    texts = {"label": "Hit", "annotator": "Anna", "video": "a.mp4", field: text}
    stroke = Stroke("v", 0, 1, texts["label"], annotator=texts["annotator"])
    with pytest.raises(UserError, match="characters"):
        elan.write(tmp_path / "a.eaf", texts["video"], [stroke], MICROSECONDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (SAMPLE, True),
        (SAMPLE[:300], True),
        ("\ufeff<ANNOTATION_DOCUMENT>", True),
        ("<!-- of ELAN --><ANNOTATION_DOCUMENT>", True),
        ("<!-- <ANNOTATION_DOCUMENT> --><video>", False),
        ("<ANNOTATION_DOCUMENTS>", False),
        ("<annotations><version>1.1</version>", False),
        ('{"project": {}}', False),
        ("", False),
    ],
)
def test_recognises_elan_files_only(start: str, expected: bool) -> None:
    assert elan.recognises(start) is expected
