"""Checks the documents: links and anchors, that the book has every chapter, and that quoted messages exist.

Links to other sites are not followed. A chapter of the book may only link to files of the book, since those are all
that the rendered book has beside it.
"""

import re
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote

BOOK = Path("docs")
PAGES = [Path(name) for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted(BOOK.rglob("*.md"))

FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$")
# [text](target "title"), the text possibly an image; then [name]: target.
INLINE = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s+\"[^\"]*\")?\s*$")
CODE = re.compile(r"(`+)(?:(?!\1).)*\1")


def prose(path):
    """The lines outside fenced and indented code, with their numbers and without code spans."""
    fence = None
    after_blank = True
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence = mark[1]
        elif fence is not None:
            if mark and mark[1].startswith(fence):
                fence = None
        elif not (line.startswith("    ") and after_blank):
            yield number, line
            after_blank = not line.strip()
            continue
        after_blank = True


def slug(heading):
    """The anchor of a heading; GitHub and mdBook agree on headings without markup other than code and links."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    kept = (c for c in text.strip().lower() if c in " -_" or unicodedata.category(c)[0] in "LN")
    return "".join(kept).replace(" ", "-")


def anchors(path, known={}):
    if path not in known:
        found, seen = set(), {}
        for _, line in prose(path):
            heading = HEADING.match(line)
            if heading:
                name = slug(heading[2])
                count = seen.get(name, 0)
                seen[name] = count + 1
                found.add(f"{name}-{count}" if count else name)
        known[path] = found
    return known[path]


def links(path):
    for number, line in prose(path):
        bare = CODE.sub("``", line)
        for target in INLINE.findall(bare) + REFERENCE.findall(bare):
            yield number, target


def check_link(path, target):
    """What is wrong with a link; None if nothing is."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    name, _, anchor = unquote(target).partition("#")
    if name.startswith("/"):
        return "begins with a slash"
    file = Path(path.parent, name).resolve().relative_to(Path.cwd()) if name else path
    if not file.exists():
        return "there is no such file"
    if path.is_relative_to(BOOK) and not file.is_relative_to(BOOK):
        return "leads out of the book"
    if anchor and file.suffix == ".md" and anchor not in anchors(file):
        return "there is no such heading"
    return None


def broken_links():
    for path in PAGES:
        for number, target in links(path):
            try:
                wrong = check_link(path, target)
            except ValueError:
                wrong = "leads out of the repository"
            if wrong:
                yield f"{path}:{number}: {target}: {wrong}"


def missing_chapters():
    summary = BOOK / "SUMMARY.md"
    named = {unquote(target) for _, target in links(summary)}
    for path in sorted(BOOK.rglob("*.md")):
        name = path.relative_to(BOOK).as_posix()
        if path != summary and name not in named:
            yield f"{summary}: {name} is not in it"


def unknown_messages():
    """Messages that docs/troubleshooting.md quotes in the first column of its tables must be the program's own."""
    code = " ".join(path.read_text(encoding="utf-8") for root in ("src", "crates") for path in Path(root).rglob("*.rs"))
    # A string that goes on in the next line, and a value put into it, look alike in the quotation.
    code = re.sub(r"\\\n\s*", "", code)
    code = re.sub(r"\{[^{}\s]*\}", "…", code)
    page = BOOK / "troubleshooting.md"
    for number, line in prose(page):
        cell = re.match(r"\| (.*?) \| ", line)
        for quoted in re.findall(r"`([^`]+)`", cell[1]) if cell else []:
            for part in (p.strip() for p in quoted.split("…")):
                if " " in part and part not in code:
                    yield f"{page}:{number}: the program never says: {part}"


def main():
    wrong = [*broken_links(), *missing_chapters(), *unknown_messages()]
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"{sum(1 for path in PAGES for _ in links(path))} links in {len(PAGES)} documents are well")


main()
