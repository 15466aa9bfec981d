"""Answers of a vision model on a page: its text, or its layout in cells (DotsOCR)."""

import re
from typing import Any

import orjson

from data_prep.endpoint.client import Answer, Failure
from data_prep.sources.pages import NoPages, cells_text

FENCE = re.compile(r"```\w*\n(.*)\n```", re.DOTALL)


def page_of(number: int, answer: Answer | Failure, max_tokens: int) -> dict[str, Any]:
    """The page as it is written: ``text`` or ``cells``, and in ``failed`` why there is neither; text "" is an empty
    page.

    An answer that was cut off is none: as a rule the model had begun to repeat itself."""
    if isinstance(answer, Failure):
        return {"page": number, "text": "", "failed": answer.why}
    if not answer.whole:
        return {"page": number, "text": "", "failed": f"the answer was cut off at max_tokens={max_tokens}"}
    text = answer.text.strip()
    fenced = FENCE.fullmatch(text)
    text = fenced[1].strip() if fenced else text
    if not text.startswith(("[{", "[\n", "[ ")):
        return {"page": number, "text": text}
    try:
        cells = orjson.loads(text)
        cells_text(cells, number)
    except (orjson.JSONDecodeError, NoPages):
        if '"category"' not in text:
            return {"page": number, "text": text}
        return {"page": number, "text": "", "failed": "the layout is not valid JSON"}
    return {"page": number, "cells": cells}
