"""A published list is read as it is published, or not at all."""

from pathlib import Path

import pytest

from deploy.commands.titles import measure
from services.signup.adapters.titles.files import LARGEST, BadFileError, TitleFile, read_file

DIRECT = "soc,title\n29-1141,Registered Nurse\n15-1252,Software Engineer\n"
BLS = (
    "U.S. Bureau of Labor Statistics,,,\n,,,\n2018 SOC Code,2018 SOC Title,2018 SOC Direct Match Title,Illustrative Example\n"
    '11-1011,Chief Executives,"Admiral, Retired",\n11-1011,Chief Executives,CEO,x\n'
)
ONET = (
    "O*NET-SOC Code\tAlternate Title\tShort Title\tSource(s)\n"
    "29-1141.00\tCharge Nurse\tn/a\t09\n29-1141.01\tAcute Care Nurse\tACN\t08\n29-2061.00\tCharge Nurse\tn/a\t02\n"
)


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "titles.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "source", "titles"),
    [
        (DIRECT, "direct-match", {"Registered Nurse": ("29-1141",), "Software Engineer": ("15-1252",)}),
        ("\ufeff" + DIRECT.replace("\n", "\r\n"), "direct-match", {"Registered Nurse": ("29-1141",), "Software Engineer": ("15-1252",)}),
        (BLS, "direct-match", {"Admiral, Retired": ("11-1011",), "CEO": ("11-1011",)}),
        (ONET, "onet", {"Charge Nurse": ("29-1141", "29-2061"), "Acute Care Nurse": ("29-1141",), "ACN": ("29-1141",)}),
        (ONET.replace("O*NET-SOC Code\t", "O*NET-SOC Code\tTitle\t").replace(".00\t", ".00\tx\t").replace(".01\t", ".01\tx\t"), "onet",
         {"Charge Nurse": ("29-1141", "29-2061"), "Acute Care Nurse": ("29-1141",), "ACN": ("29-1141",)}),
    ],
)  # fmt: skip
def test_a_list_is_read_as_it_is_published(
    tmp_path: Path, text: str, source: str, titles: dict[str, tuple[str, ...]]
) -> None:
    read = read_file(written(tmp_path, text))
    assert (read.source, dict(read.titles), read.left_out) == (source, titles, 0)


def test_onets_list_comes_with_the_words_that_its_license_asks_for(tmp_path: Path) -> None:
    notice = read_file(written(tmp_path, ONET)).notice
    assert "CC BY 4.0" in notice
    assert "O*NET" in notice
    assert "USDOL/ETA" in notice


def test_a_title_of_too_many_occupations_is_left_out_and_counted(tmp_path: Path) -> None:
    codes = ["11-1011", "11-1021", "11-2021", "11-2022", "11-3021", "11-3031", "11-9041", "11-9111", "11-9151"]
    read = read_file(written(tmp_path, "soc,title\n29-1141,Nurse\n" + "".join(f"{code},Director\n" for code in codes)))
    assert (dict(read.titles), read.left_out) == ({"Nurse": ("29-1141",)}, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected a header"), ("a,b\n1,2\n", "expected a header"), ("soc,title\n", "expected titles"),
        (DIRECT + "29-9999,Wizard\n", "line 4: expected a detailed code"), (DIRECT + "29-0000,Nurses\n", "line 4"),
        (DIRECT + "15-1132,Software Engineer\n", "older classification"), (DIRECT + "29-1141\n", "line 4: expected a title"),
        (DIRECT + "29-1141,\n", "line 4"), (DIRECT + "29-1141," + "x" * 201 + "\n", "line 4"), (DIRECT.encode("utf-16"), "UTF-8"),
        (b"soc,title\n29-1141,N\xfcrse\n", "UTF-8"), (DIRECT + "29-1141,a\x00b\n", "U+0000"), (DIRECT + "29-1141,a\x1bb\n", "line 4"),
        (DIRECT + '29-1141,"never closed\n', "line 4: expected a row"), (b"PK\x03\x04\x14\x00" + b"\x00" * 50, "U+0000"), (b"\x00" * (LARGEST + 1), "at most 30,000,000 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_it_should_be_is_refused_in_words(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(BadFileError, match=says.replace("+", r"\+")):
        read_file(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="a file that can be read"):
        read_file(tmp_path / "none.csv")
    with pytest.raises(BadFileError, match="a file that can be read"):
        read_file(tmp_path)


def test_the_tables_are_measured_against_a_list_title_by_title() -> None:
    theirs = {
        "Registered Nurse": ("29-1141",),
        "Welders": ("47-2111",),
        "Driver": ("53-3032",),
        "Shift Whisperer": ("29-1141",),
    }
    figures, others = measure(TitleFile("direct-match", theirs, "", 0))
    assert others == [("Welders", "47-2111", "51-4121")]
    assert (
        figures["read_to_the_same"],
        figures["read_to_another"],
        figures["read_to_several"],
        figures["not_read"],
    ) == (1, 1, 1, 1)
    assert (figures["titles_here_and_in_the_file"], figures["of_these_with_the_code_of_the_file"]) == (3, 1)
