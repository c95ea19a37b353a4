"""What the certificate's page is built of: escaped texts, tables of numbers, digests, and its one style sheet."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from gateway.migrating.wording import number

STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--paper:#fff;--line:#d9dde3;--soft:#f4f5f7;
--good:#0f6b34;--good-paper:#e7f6ec;--warn:#7a4b00;--warn-paper:#fff3d6;--bad:#a3151f;--bad-paper:#fdeaea}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--dim:#a3acb8;--paper:#14171b;--line:#333a42;--soft:#1f242a;
--good:#7fd89b;--good-paper:#12301e;--warn:#f0c674;--warn-paper:#33280d;--bad:#ff9a95;--bad-paper:#3d1719}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:var(--ink);
background:var(--paper);overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.25} h2{margin-top:2.5rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
h3{margin:1.4rem 0 .4rem;font-size:1.05rem} p{margin:.5rem 0} ul{margin:.4rem 0;padding-left:1.3rem}
code{font:14px/1.45 ui-monospace,monospace;background:var(--soft);border-radius:4px;padding:.1em .3em}
.dim{color:var(--dim)} .note{border-left:4px solid;border-radius:4px;padding:.6rem .9rem;margin:.8rem 0}
.note strong{display:block} .good{color:var(--good);background:var(--good-paper)}
.warn{color:var(--warn);background:var(--warn-paper)} .bad{color:var(--bad);background:var(--bad-paper)}
.note code{background:none;padding:0}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:0 2.5rem;align-items:start}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.2rem 1rem;margin:.4rem 0}
dt{color:var(--dim)} dd{margin:0;min-width:0}
.wide{overflow-x:auto}
table{overflow-wrap:break-word;border-collapse:collapse;margin:.4rem 0;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;padding:.3rem 0}
td,th{text-align:left;padding:.25rem .8rem .25rem .3rem;vertical-align:top;border-bottom:1px solid var(--line)}
thead th{color:var(--dim);font-weight:600;white-space:nowrap}
tbody th{font-weight:400;white-space:nowrap} td.number,th.number{text-align:right;white-space:nowrap}
tr.total td,tr.total th{font-weight:600;border-bottom-width:2px} tr.nil{color:var(--dim)}
tr.warn td,tr.warn th,tr.bad td,tr.bad th{font-weight:600}
.digest{white-space:nowrap} .digest i{display:none}
.rows table{font-size:.8125rem} .rows td{min-width:4.8rem;overflow-wrap:anywhere} .rows td.long{min-width:8rem}
.rows td.number{min-width:0} .rows td.phone{white-space:nowrap} .rows code{font-size:.75rem}
@media(max-width:40rem){body{margin:1rem auto;padding:0 .8rem}
dl{grid-template-columns:1fr;gap:0} dd{margin-bottom:.4rem}
.losses thead{display:none} .losses tr{display:flex;flex-wrap:wrap;gap:0 1rem;border-bottom:1px solid var(--line)}
.losses td{border:0;padding:.15rem 0} .losses td.long{flex-basis:100%}}
@media print{:root{color-scheme:light;--ink:#000;--dim:#444;--paper:#fff;--line:#bbb;--soft:#fff;--good:#0f6b34;
--good-paper:#fff;--warn:#7a4b00;--warn-paper:#fff;--bad:#a3151f;--bad-paper:#fff}
body{margin:0;max-width:none;font-size:10pt} .wide{overflow:visible}
h2,h3,caption,thead{break-after:avoid} tr,.note{break-inside:avoid}
.digest{white-space:normal} .digest i{display:inline;font-style:normal} .digest b{display:none}
.rows table{font-size:7pt} .rows td,.rows td.long{min-width:0;padding:.1rem .2rem}
.rows .digest i{display:none} .rows .digest b{display:inline}}
"""

_SHOWN = 12
"""Digits of a digest that stand on the screen; on paper all of them do."""
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421}


def text(value: object) -> str:
    """Any text, escaped; control characters show as their pictures."""
    return escape(str(value).translate(_PICTURES))


def code(value: object) -> str:
    return f"<code>{text(value)}</code>"


def name(value: str) -> str:
    """A text of somebody else's that stands in a line of ours, and must not turn its direction."""
    return f"<bdi>{text(value)}</bdi>"


def digest(value: str) -> str:
    """The first digits, with all of them in the title and on paper; "" for none."""
    if not value:
        return ""
    rest = value[_SHOWN:]
    more = f"<i>{text(rest)}</i><b>…</b>" if rest else ""
    return f"<code class='digest' title='{text(value)}'>{text(value[:_SHOWN])}{more}</code>"


def note(kind: str, title: str, *lines: str) -> str:
    """A paragraph that stands out; the lines are HTML."""
    return f"<div class='note {kind}'><strong>{text(title)}</strong> {'<br>'.join(lines)}</div>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """What it is, and the HTML of it; empty ones are left out."""
    return "<dl>" + "".join(f"<dt>{text(what)}</dt><dd>{html}</dd>" for what, html in pairs if html) + "</dl>"


def bullets(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{text(line)}</li>" for line in lines) + "</ul>"


def numbers(
    caption: str, counts: Mapping[str, int], words: Mapping[str, str], alarms: Mapping[str, str], total: str = ""
) -> str:
    """A table of counts. `alarms`: how a count stands out that is not zero; `total` names the one that is the sum."""
    rows = []
    if total:
        rows.append(
            f"<tr class='total'><th>{text(total)}</th><td></td><td class='number'>{number(counts[total])}</td></tr>"
        )
    for key, said in words.items():
        kind = alarms.get(key, "") if counts[key] else "nil"
        rows.append(
            f"<tr class='{kind}'><th>{text(key)}</th><td>{text(said)}</td>"
            f"<td class='number'>{number(counts[key])}</td></tr>"
        )
    return f"<table><caption>{text(caption)}</caption><tbody>{''.join(rows)}</tbody></table>"


def table(kind: str, header: Iterable[tuple[str, str]], rows: Iterable[Iterable[str]]) -> str:
    """A table of a kind that the style knows; it scrolls where it is too wide.

    The header: (title, class of the column); cells are HTML.
    """
    columns = list(header)
    head = "".join(f"<th class='{align}'>{text(title)}</th>" for title, align in columns)
    body = "".join(
        "<tr>"
        + "".join(f"<td class='{align}'>{html}</td>" for (_, align), html in zip(columns, row, strict=True))
        + "</tr>"
        for row in rows
    )
    whole = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='wide {kind}' tabindex='0'>{whole}</div>"
