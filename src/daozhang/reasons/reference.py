"""Writes `docs/reference/reasons.md` from the catalogue: `python -m daozhang.reasons.reference > docs/reference/reasons.md`."""

import sys

from daozhang.reasons.catalogue import Catalogue, CuredBy, Layer, Reason, Retry, catalogue

_HEAD = """# Reasons

Generated from `src/daozhang/reasons/texts` by `python -m daozhang.reasons.reference`; a test keeps it current.

A reason says why something is not done, who can cure it, and what to do next. Programs get it as a problem document
(RFC 9457) whose `type` is `/reasons/<code>`. Codes are stable. Facts carry their unit in the name: `_fen` money in fen,
`_s` seconds, `_at` a moment (RFC 3339), `_count` a number; a fact in brackets is optional.
"""

_LAYERS = {
    Layer.ACCOUNT: "Account",
    Layer.CHANNEL: "Payment channel",
    Layer.OPERATION: "Operation",
    Layer.ELIGIBILITY: "Eligibility",
    Layer.RISK: "Risk",
    Layer.REGULATION: "Regulation",
    Layer.PLATFORM: "The platform itself",
}
_CURED_BY = {
    CuredBy.USER: "the user",
    CuredBy.SUPPORT: "support",
    CuredBy.CHANNEL: "the channel",
    CuredBy.PLATFORM: "us",
    CuredBy.TIME: "time",
    CuredBy.NOBODY: "nobody: nothing needs curing",
}
_RETRY = {
    Retry.NOW: "now",
    Retry.LATER: "later",
    Retry.OTHER_CHANNEL: "at another channel",
    Retry.AFTER_CURE: "after the cure",
    Retry.NEVER: "never",
}


def page(reasons: Catalogue) -> str:
    """The whole page as Markdown, by layer, in the order of the catalogue."""
    parts = [_HEAD]
    for layer, title in _LAYERS.items():
        rows = [reason for reason in reasons if reason.layer is layer]
        if rows:
            parts.append(f"## {title}\n")
            parts.extend(_entry(reason) for reason in rows)
    return "\n".join(parts)


def _entry(reason: Reason) -> str:
    facts = [f"`{name}`" for name in reason.facts] + [f"[`{name}`]" for name in reason.may]
    told = "".join(
        f"- {label}: **{text.title}** {' '.join(part for part in (text.text, text.cure) if part)}\n"
        for label, text in (("zh", reason.zh), ("en", reason.en))
    )
    return (
        f"### `{reason.code}`\n\n"
        f"HTTP {reason.http} · cured by {_CURED_BY[reason.cured_by]} · try again {_RETRY[reason.retry]} · "
        f"disclosure {reason.disclosure.value}{' · facts ' + ', '.join(facts) if facts else ''}\n\n{told}"
    )


if __name__ == "__main__":
    sys.stdout.write(page(catalogue()))
