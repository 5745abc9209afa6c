import pytest

from tests.stories.story import stories
from tests.stories.verdict import difference

# The first of them waits for all stories to be played.
pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("story", stories(), ids=lambda story: story.name)
async def test_story(story, performance):
    found = difference(performance.played[story.name])
    if found:
        pytest.fail(found, pytrace=False)


async def test_the_books_are_right_after_all_stories(performance):
    assert performance.audit.json["ok"] is True, performance.audit.out
