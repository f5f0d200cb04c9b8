import argparse
from pathlib import Path

import pytest

from command_line import Parser


def parser() -> Parser:
    parser = Parser(prog="scripts/x")
    parser.add_argument("--url")
    parser.add_argument("--auth-file", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--probe", nargs="?", const="one")
    return parser


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["9091"], "--url http://127.0.0.1:9091"), (["host:91"], "--url http://host:91"), (["http://a:1"], "--url http://a:1"),
        (["json"], "--json"), (["--jsn"], "--json"), (["url", "a b"], "--url 'a b'"), 
        (["json", "9091"], "--json --url http://127.0.0.1:9091"), (["probe"], "--probe"), (["--json", "9091"], "--url http://127.0.0.1:9091 …"),
        (["auth-file=x"], "--auth-file x"), (["auth_file", "x"], "--auth-file x"), (["FILE"], "--auth-file FILE"),
        (["json", "nothing"], None), (["65536000"], None), (["codex_patch=x"], None), (["\x1b[31m"], None),
    ],
)  # fmt: skip
def test_a_word_is_told_with_what_was_meant(
    words: list[str],
    meant: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text("")
    with pytest.raises(SystemExit) as ended:
        parser().read(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "\x1b" not in said
    assert said.endswith(f"Did you mean:\n  scripts/x {meant}\n" if meant else "For help: scripts/x --help\n"), said


def test_what_has_its_place_is_read() -> None:
    assert parser().read(["--json", "--url=u"]) == argparse.Namespace(url="u", auth_file=None, json=True, probe=None)
