"""What many rows are asked for or written with, as PostgreSQL takes it at the least cost."""

from collections.abc import Iterable

_BETWEEN = "\x1f"


def joined(texts: Iterable[str]) -> str:
    """Many texts as one, which a statement takes apart with `string_to_array($1, E'\\x1f')`: as an array each of them would cost
    asyncpg half a microsecond. ValueError where one holds the separator: no id does, and JSON escapes it.

    No texts and one empty text are the same here, and no row there. So a column in which an empty text stands for NULL goes beside one
    that has a text in each row (ids): `unnest` of both fills what is missing with NULL, which is what was meant.
    """
    texts = [*texts]
    text = _BETWEEN.join(texts)
    if text.count(_BETWEEN) != max(0, len(texts) - 1):
        raise ValueError("a text holds the separator of texts")
    return text
