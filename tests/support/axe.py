"""axe-core in a page: what it finds against WCAG 2.2, levels A and AA.

The script comes with the package axe-playwright-python; nothing is fetched.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
_RUN = """async ([include, tags]) => {
    const there = include.filter((selector) => document.querySelector(selector));
    if (include.length && !there.length) return null;
    const found = await axe.run(
        there.length ? {include: there.map((selector) => [selector])} : document,
        {resultTypes: ["violations"], runOnly: {type: "tag", values: tags}},
    );
    return found.violations.flatMap((rule) => rule.nodes.map((node) => ({
        rule: rule.id, help: rule.help, target: node.target.flat().join(" "),
        html: node.html, why: node.failureSummary,
    })));
}"""


@dataclass(frozen=True, slots=True)
class Violation:
    """One element against one rule."""

    rule: str
    help: str
    target: str
    html: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule} at {self.target}: {self.html[:160]}\n    {self.why}"


def violations(page: Any, within: Sequence[str] = ()) -> list[Violation]:
    """What axe finds in the elements that fit the selectors; without selectors, in the whole page.

    Raises AssertionError when no element fits: a check of nothing must not pass.
    """
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(_RUN, [list(within), list(TAGS)])
    assert found is not None, f"none of {', '.join(within)} is in {page.url}"
    return [Violation(**one) for one in found]
