"""The commands of the documentation: in blocks marked `sh` or `bash`, and named in a sentence."""

import re
import shlex
from pathlib import Path

from checkouts import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md")))
PAGES += (ROOT / "config/README.md",)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("sh", "bash")
PROGRAMS = ("snakemake", "metaprobe", "make", "pip", "python", "python3")
LOOP = re.compile(r"for (\w+) in (\S+).*; do (.*); done")


def in_blocks(page: Path) -> list[str]:
    """The commands of the blocks of a page; of a block with prompts, the lines that have one."""
    found: list[str] = []
    for language, text in FENCED.findall(page.read_text(encoding="utf-8")):
        lines = text.splitlines()
        if language in SHELLS:
            prompted = [line[2:] for line in lines if line.startswith("$ ")]
            found += prompted or lines
    bare = (re.sub(r"\s+# .*", "", line).removeprefix(".venv/bin/") for line in found)
    return [line for line in bare if line]


def unmarked(page: Path) -> list[str]:
    """Lines of other blocks that look like a command of ours."""
    blocks = FENCED.findall(page.read_text(encoding="utf-8"))
    others = (text for language, text in blocks if language not in SHELLS)
    lines = [line for text in others for line in text.splitlines()]
    start = re.compile(rf"(?:\$ )?(?:\.venv/bin/)?(?:{'|'.join(PROGRAMS)}) [\w./-]")
    return [line for line in lines if start.match(line) and "says" not in line]


def in_sentences(page: Path) -> list[str]:
    """The commands that a page names in a sentence, without those that only tell a program's part."""
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))
    spans = (span.removeprefix(".venv/bin/") for span in spans if "<" not in span)
    return [span for span in spans if span.partition(" ")[0] in PROGRAMS and " " in span]


def words_of(command: str) -> list[str]:
    """What the shell makes of a command: of a loop its first round, of `sbatch` what it wraps."""
    if loop := LOOP.fullmatch(command):
        name, first, command = loop.groups()
        command = command.replace(f"${name}", first)
    words = shlex.split(command, comments=True)
    if words[0] == "sbatch":
        words = shlex.split(words[-1])
    if ">" in words:
        words = words[: words.index(">")]
    return [words[0].removeprefix(".venv/bin/"), *words[1:]]
