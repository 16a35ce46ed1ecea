"""What the documents say of topics is what the one description says."""

from pathlib import Path

import pytest

from shared.contracts.topics import TOPICS, Topic

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_readme_says_who_tells_whom_what(topic: Topic) -> None:
    row = f"| `{topic.name}` | {topic.owner} → {', '.join(topic.readers) or 'partners, later'} | {topic.carries} |"
    assert row in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_architecture_page_says_how_long_a_topic_is_kept(topic: Topic) -> None:
    kept = "compacted" if topic.kept is None else f"{topic.kept.days} days"
    row = f"| `{topic.name}` | {topic.key} | {kept} | {topic.owner} → {', '.join(topic.readers) or 'partners, later'} | {topic.carries} |"
    assert row in (ROOT / "docs" / "architecture.md").read_text()


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text()
    for page in folder.glob("[0-9]*.md"):
        assert page.name in listed
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Revisit when**"):
            assert part in page.read_text(), f"{page.name} lacks {part}"
