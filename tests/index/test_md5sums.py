from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstroke.findings import Findings
from twinstroke.index import md5sums as module
from twinstroke.index.md5sums import verify_md5sums

# RFC 1321, appendix A.5.
SUMS = {
    b"": "d41d8cd98f00b204e9800998ecf8427e",
    b"abc": "900150983cd24fb0d6963f7d28e17f72",
    b"message digest": "f96b697d7cb7938d525a2f31aaf161d0",
}
ABC = SUMS[b"abc"]
ODD_NAMES = [
    "plain.mp4",
    "Serve Forehand Backspin/with spaces .mp4",
    " begins with a space.mp4",
    "-leading dash.mp4",
    "two\nlines\r.mp4",
    "back\\slash\\n.mp4",
    "größe 乒乓.mp4",
    "*star.mp4",
    "#hash.mp4",
    "MD5 (x) = y.mp4",
]


def _verify(raw: Path) -> tuple[list[str], list[str], set[Path]]:
    findings = Findings()
    differ = verify_md5sums(raw, findings, workers=2)
    assert {item.check for item in findings.all} <= {"md5"}
    return [str(item) for item in findings.errors], [str(i) for i in findings.warnings], differ


def _files(raw: Path, names: Iterable[str], content: bytes = b"abc") -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(content)


@pytest.mark.skipif(shutil.which("md5sum") is None, reason="needs md5sum of GNU coreutils")
@pytest.mark.parametrize("options", [[], ["--binary"], ["--tag"]], ids=["text", "binary", "tag"])
def test_what_md5sum_writes_is_read(tmp_path: Path, options: list[str]) -> None:
    _files(tmp_path, ODD_NAMES)
    written = subprocess.run(
        ["md5sum", *options, "--", *(f"./{name}" for name in ODD_NAMES)],
        capture_output=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    (tmp_path / "MD5SUMS").write_bytes(written)
    assert _verify(tmp_path) == ([], [], set())
    # Every one of them was looked at.
    _files(tmp_path, ODD_NAMES, b"abd")
    errors, warnings, differ = _verify(tmp_path)
    assert (len(errors), warnings) == (len(ODD_NAMES), [])
    assert differ == {tmp_path / name for name in ODD_NAMES}


def test_published_sums(tmp_path: Path) -> None:
    for number, content in enumerate(SUMS):
        (tmp_path / f"{number}.mp4").write_bytes(content)
    lines = [f"{digest.upper()}  {number}.mp4\r\n" for number, digest in enumerate(SUMS.values())]
    (tmp_path / "md5sums.txt").write_text("\ufeff# made by hand\r\n\r\n" + "".join(lines))
    assert _verify(tmp_path) == ([], [], set())


def test_a_difference_names_line_file_and_sums(tmp_path: Path) -> None:
    _files(tmp_path, ["a.mp4", "b.mp4"])
    listing = tmp_path / "MD5SUMS"
    wrong = SUMS[b""]
    listing.write_text(f"{ABC}  a.mp4\n{wrong}  ./b.mp4\n")
    errors, warnings, differ = _verify(tmp_path)
    assert errors == [
        f"{listing}:2: {tmp_path / 'b.mp4'} has the MD5 sum {ABC}, expected {wrong}; "
        "copy the file again"
    ]
    assert (warnings, differ) == ([], {tmp_path / "b.mp4"})


def test_lists_in_the_raw_folder_and_one_below(tmp_path: Path) -> None:
    places = ["", "data", "data/deeper", ".hidden"]
    for place in places:
        _files(tmp_path / place, ["v.mp4"], b"other")
        (tmp_path / place / "Md5Sums").write_text(f"{ABC}  v.mp4\n")
    (tmp_path / "link").symlink_to("data")
    _, _, differ = _verify(tmp_path)
    assert differ == {tmp_path / "v.mp4", tmp_path / "data" / "v.mp4"}


def test_absent_files_are_one_warning(tmp_path: Path) -> None:
    _files(tmp_path, ["here.mp4"])
    listing = tmp_path / "MD5SUMS"
    names = ["here.mp4", *(f"{number}.mp4" for number in range(1200))]
    listing.write_text("".join(f"{ABC}  {name}\n" for name in names))
    errors, warnings, differ = _verify(tmp_path)
    assert (errors, differ) == ([], set())
    assert warnings == [
        f"{listing}: 1,200 of the listed files are not there: '0.mp4', '1.mp4', '2.mp4' …; "
        "nothing to do if only a part was unpacked on purpose"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "no sum at all",
        f"{ABC}",
        f"{ABC}  ",
        f"{ABC[:-1]}  v.mp4",
        f"{ABC}0  v.mp4",
        f"{ABC[:-1]}g  v.mp4",
        f"\\{ABC}  v\\t.mp4",
        f"\\{ABC}  v.mp4\\",
        f"{ABC}  v\0.mp4",
        f"SHA256 (v.mp4) = {ABC}",
        f"  {ABC}  v.mp4",
    ],
)
def test_malformed_lines(tmp_path: Path, line: str) -> None:
    _files(tmp_path, ["v.mp4", "w.mp4"])
    listing = tmp_path / "MD5SUMS"
    listing.write_text(f"{ABC}  w.mp4\n{line}\n")
    (error,), warnings, differ = _verify(tmp_path)
    assert error.startswith(f"{listing}:2: ")
    assert "is not `<32 hexadecimal digits>  <name>`" in error
    assert (warnings, differ) == ([], set())


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is hashed."""
    paths = []
    original = module._md5_of

    def note(path: Path, advance: object) -> object:
        paths.append(path)
        return original(path, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_md5_of", note)
    return paths


@pytest.mark.parametrize(
    "name",
    [
        "../secret.mp4",
        "{outside}/secret.mp4",
        "{outside}/raw/sub/v.mp4",
        "link.mp4",
        "folder/secret.mp4",
        "sub/../../x.mp4",
        "sub/../sub/v.mp4",
    ],
)
def test_nothing_outside_is_opened(tmp_path: Path, opened: list[Path], name: str) -> None:
    raw = tmp_path / "raw"
    _files(tmp_path, ["secret.mp4", "raw/sub/v.mp4", "x.mp4"])
    (raw / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (raw / "folder").symlink_to(tmp_path)
    listing = raw / "MD5SUMS"
    listing.write_text(f"{ABC}  sub/v.mp4\n{ABC}  {name.format(outside=tmp_path)}\n")
    (error,), warnings, differ = _verify(raw)
    assert error.startswith(f"{listing}:2: ")
    assert f"is no plain path below {raw}" in error
    assert (warnings, differ) == ([], set())
    assert opened == [raw / "sub" / "v.mp4"]


def test_links_inside_are_followed(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _files(raw, ["v.mp4"], b"other")
    (raw / "link.mp4").symlink_to("v.mp4")
    (raw / "MD5SUMS").write_text(f"{ABC}  link.mp4\n")
    (tmp_path / "alias").symlink_to("raw")
    _, _, differ = _verify(tmp_path / "alias")
    assert differ == {tmp_path / "alias" / "link.mp4"}


def test_a_list_that_leads_out_is_not_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    _files(raw, ["v.mp4"])
    (tmp_path / "MD5SUMS").write_text("secret\n")
    (raw / "MD5SUMS").symlink_to(tmp_path / "MD5SUMS")
    errors, warnings, differ = _verify(raw)
    assert (len(errors), warnings, differ) == (1, [], set())
    assert "secret" not in errors[0]


def test_odd_files_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    names = ["folder.mp4", "pipe.mp4", "loop.mp4", "x" * 5000, "x" * 100_000, "y/" * 3000 + "y"]
    lines = [f"{ABC}  {name}\n" for name in names]
    # `md5sum * > MD5SUMS` lists the list itself, while it is still empty.
    lines.append(f"{SUMS[b'']}  MD5SUMS\n")
    (tmp_path / "MD5SUMS").write_text("".join(lines))
    errors, (warning,), differ = _verify(tmp_path)
    assert (errors, differ) == ([], set())
    assert "6 of the listed files" in warning


def test_a_file_that_is_listed_twice(tmp_path: Path) -> None:
    _files(tmp_path, ["v.mp4"])
    listing = tmp_path / "MD5SUMS"
    listing.write_text(f"{ABC}  v.mp4\n{ABC} *./v.mp4\n{SUMS[b'']}  v.mp4\n")
    errors, _, differ = _verify(tmp_path)
    assert errors == [
        f"{listing}:3: 'v.mp4' has another sum in {listing}:1; remove one of the lines"
    ]
    assert differ == set()


def test_names_and_lists_that_are_no_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"gr\xf6\xdfe.mp4")
    _files(tmp_path, [name], b"other")
    (tmp_path / "MD5SUMS").write_bytes(ABC.encode() + b"  gr\xf6\xdfe.mp4\n")
    (error,), _, differ = _verify(tmp_path)
    assert differ == {tmp_path / name}
    error.encode()
    (tmp_path / "MD5SUMS").write_text(f"{ABC}  v.mp4\n", "utf-16")
    errors, warnings, differ = _verify(tmp_path)
    assert errors and all("is not `<32" in error for error in errors)
    assert (warnings, differ) == ([], set())


def test_huge_lists_cost_little(tmp_path: Path) -> None:
    listing = tmp_path / "MD5SUMS"
    with listing.open("wb") as stream:
        stream.truncate(module._LARGEST_LIST)
    tracemalloc.start()
    errors, _, _ = _verify(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(errors) == 1  # one line of zeros
    assert peak < 5_000_000
    with listing.open("ab") as stream:
        stream.write(b"\n")
    errors, _, _ = _verify(tmp_path)
    assert errors == [f"{listing}: is too large for a list of sums; rename or remove it"]
    listing.write_text("x\n" * 3000)
    errors, _, _ = _verify(tmp_path)
    assert len(errors) == 1001
    assert "2,000 more of the same kind" in errors[-1]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    content = bytes(2**25)
    _files(tmp_path, ["v.mp4"], content)
    (tmp_path / "MD5SUMS").write_text(f"{hashlib.md5(content).hexdigest()}  v.mp4\n")  # noqa: S324
    tracemalloc.start()
    assert _verify(tmp_path) == ([], [], set())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(content) / 4


def test_no_list_is_nothing_to_verify(tmp_path: Path) -> None:
    _files(tmp_path, ["v.mp4"])
    assert _verify(tmp_path) == ([], [], set())


NAMES = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=40)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        NAMES.filter(lambda name: name not in (".", "..") and name.lower() != "md5sums"),
        st.tuples(st.binary(max_size=10), st.booleans(), st.sampled_from(["gnu", "binary", "tag"])),
        max_size=5,
    )
)
def test_any_name_written_by_the_rules_is_read(
    files: dict[str, tuple[bytes, bool, str]],
) -> None:
    with TemporaryDirectory() as folder:
        raw = Path(folder)
        written = []
        for name, (content, intact, style) in files.items():
            (raw / name).write_bytes(content if intact else content + b"!")
            digest = hashlib.md5(content).hexdigest()  # noqa: S324
            escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
            mark = "\\" if escaped != name else ""
            written.append(
                f"{mark}MD5 ({escaped}) = {digest}\n"
                if style == "tag"
                else f"{mark}{digest} {'*' if style == 'binary' else ' '}{escaped}\n"
            )
        (raw / "MD5SUMS").write_bytes("".join(written).encode())
        errors, warnings, differ = _verify(raw)
        assert differ == {raw / name for name, (_, intact, _) in files.items() if not intact}
        assert (len(errors), warnings) == (len(differ), [])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_survived(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "MD5SUMS").write_bytes(content)
        errors, _, differ = _verify(Path(folder))
        assert differ == set()
        assert len(errors) <= content.count(b"\n") + 1
