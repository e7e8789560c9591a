"""Where players are, as annotations and the table of groups say it: one region for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from twinstroke.annotations.boxes import Boxes, Measure, around
from twinstroke.annotations.records import Annotation
from twinstroke.findings import Findings, Place, named_list
from twinstroke.regions import COLUMNS, Lane, Region, beyond, region_from

ADVICE = (
    f"write {','.join(COLUMNS)} in whole pixels of the shown picture, from its upper left corner"
)


def row_region(
    row: Mapping[str, str], place: Place, findings: Findings, video: str
) -> tuple[Region | None, bool]:
    """The region in a row of a table, if the table has columns of it and they are filled in.

    Returns:
        The region or None, and whether the row can be used: if not, there is an error.
    """
    cells = [row.get(name, "") for name in COLUMNS]
    if not any(cells):
        return None, True
    region = region_from(cells)
    if isinstance(region, Region):
        return region, True
    findings.error("region", place, region, ADVICE, video=video)
    return None, False


def with_boxes(
    annotations: Sequence[Annotation],
    boxes: Mapping[Lane, Mapping[Measure, Boxes]],
    pictures: Mapping[str, tuple[int, int]],
    findings: Findings,
    group: str,
) -> list[Annotation]:
    """Give each stroke the smallest region that holds all boxes of its player in the video.

    A region that is said in numbers goes before boxes. Boxes without a player are those of the only
    player of their video.

    Args:
        annotations: Strokes with their players.
        boxes: What was drawn around each player.
        pictures: Width and height of each video as it is shown.
        findings: Gets an error for each player with a box that cannot be used, or with strokes but
            no box where others have some; and a warning for each video without any box.
        group: Name of the column of players.

    Returns:
        The strokes without those of such players.
    """
    players: dict[str, dict[str, Annotation]] = {}
    for item in annotations:
        players.setdefault(item.video, {}).setdefault(item.group, item)
    # None: nobody knows where the player is, and there is an error.
    regions: dict[Lane, Region | None] = {}
    drawn: dict[Lane, list[tuple[Measure, Boxes]]] = {}
    for (video, player), own in boxes.items():
        present = players.get(video, {})
        if player or "" in present or len(present) < 2:
            owner = player if "" in present else player or next(iter(present), "")
            drawn.setdefault((video, owner), []).extend(own.items())
            continue
        regions |= dict.fromkeys([(video, name) for name in present])
        box = next(iter(own.values())).outermost[0]
        findings.error(
            "region",
            box.place,
            f"{box} names no {group}, but strokes of {video!r} do: {named_list(present)}",
            f"name the {group} of each box",
            video=video,
        )
    for lane, measured in drawn.items():
        if lane[0] not in pictures:
            continue
        region, box, problem = around(measured, pictures[lane[0]])
        regions.setdefault(lane, region)
        if problem:
            advice = f"draw it anew, upright and inside the picture, and around the {group}"
            findings.error("region", box.place, f"{box} {problem}", advice, video=lane[0])
    boxed = {video for video, _ in regions}
    told: set[str] = set()
    for item in annotations:
        lane = item.video, item.group
        if item.region or item.video not in pictures or lane in regions:
            continue
        if item.video in boxed:
            regions[lane] = None
            others = named_list(own or f"no {group}" for video, own in boxes if video == item.video)
            findings.error(
                "region",
                item.place,
                f"{_called(group, item)} of {item.video!r} has no box, but there are boxes of "
                f"{others}",
                f"draw a box around each {group} of the video, and write the name beside strokes "
                "and boxes alike",
                video=item.video,
            )
        elif item.video not in told:
            told.add(item.video)
            findings.warning(
                "region",
                item.place,
                f"no box says where the {group} of {item.video!r} is, so its whole picture counts",
                "draw one, if others are to be seen",
                video=item.video,
            )
    return [
        item if item.region else replace(item, region=regions.get((item.video, item.group)))
        for item in annotations
        if item.region or regions.get((item.video, item.group), ()) is not None
    ]


def with_regions(
    annotations: Sequence[Annotation], findings: Findings, group: str
) -> list[Annotation]:
    """Give each stroke the region of its player, which may stand beside one of his strokes only.

    Args:
        annotations: Strokes with their players.
        findings: Gets an error for each player with two regions in one video, and for each without
            where another one has a region: nobody knows then whose strokes a place shows.
        group: Name of the column of players.

    Returns:
        The strokes without those of such players.
    """
    found: dict[tuple[str, str], Annotation] = {}
    seen: dict[tuple[str, str], Annotation] = {}
    odd: set[tuple[str, str]] = set()
    for item in annotations:
        player = item.video, item.group
        seen.setdefault(player, item)
        earlier = found.setdefault(player, item) if item.region else None
        if earlier and earlier.region != item.region and player not in odd:
            odd.add(player)
            findings.error(
                "region",
                item.place,
                f"{_called(group, item)} is in {item.region}, but in {earlier.region} at "
                f"{earlier.place}",
                "a player has one region in a video; correct one of them"
                if item.group
                else f"name the players in a column {group!r}, or correct one of them",
                video=item.video,
            )
    first: dict[str, Annotation] = {}
    for (video, _), item in found.items():
        first.setdefault(video, item)
    for player, item in seen.items():
        other = first.get(item.video)
        if other is not None and player not in found:
            odd.add(player)
            findings.error(
                "region",
                item.place,
                f"{_called(group, item)} of {item.video!r} has no region, but "
                f"{_called(group, other)} has {other.region} at {other.place}",
                "say of each player of the video where it is, or of none",
                video=item.video,
            )
    return [
        replace(item, region=found[player].region) if player in found else item
        for item in annotations
        if (player := (item.video, item.group)) not in odd
    ]


def _called(group: str, item: Annotation) -> str:
    return f"{group} {item.group!r}" if item.group else f"a stroke without {group}"


def inside_pictures(
    annotations: Iterable[Annotation], pictures: Mapping[str, tuple[int, int]], findings: Findings
) -> list[Annotation]:
    """Leave out the strokes of players whose region reaches beyond the picture; an error for each.

    Args:
        annotations: Strokes with their regions.
        pictures: Width and height of each video as it is shown.
        findings: Gets the errors.
    """
    problems: dict[tuple[str, str], str] = {}
    kept = []
    for item in annotations:
        picture = pictures.get(item.video)
        player = item.video, item.group
        if item.region and picture and player not in problems:
            problems[player] = beyond(item.region, picture)
            if problems[player]:
                findings.error("region", item.place, problems[player], ADVICE, video=item.video)
        if not problems.get(player):
            kept.append(item)
    return kept
