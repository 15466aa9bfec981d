"""The style sheet of every report."""

from common.report.palette import variables

STYLE = f"""
:root {{ color-scheme: light dark; {variables(dark=False)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {variables(dark=True)} }} }}
* {{ box-sizing: border-box; }}
body {{ font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 68rem;
  margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }}
body.narrow {{ max-width: 46rem; }}
h1 {{ font-size: 1.5rem; margin: .2rem 0 .6rem; }} h2 {{ font-size: 1.2rem; margin: 2rem 0 .5rem; }}
h3 {{ font-size: 1rem; margin: 1.2rem 0 .4rem; }} p {{ margin: .4rem 0; max-width: 46rem; }}
.soft, .small, figcaption {{ color: var(--soft); font-size: .85rem; }}
.wide {{ overflow-x: auto; }}
.grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); gap: .8rem; }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem; margin: .8rem 0; }}
.tile, .card, details {{ background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .6rem .8rem; }}
.tile b {{ display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; }}
.tile span {{ color: var(--soft); font-size: .85rem; }}
table {{ border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; font-size: .85rem;
  margin: .3rem 0; }}
th, td {{ text-align: right; padding: .25rem .55rem; vertical-align: top; white-space: nowrap; }}
th {{ border-bottom: 1px solid var(--soft); color: var(--soft); font-weight: 600; vertical-align: bottom; }}
td {{ border-bottom: 1px solid var(--line); }} tr.sum td {{ font-weight: 700; }}
th.left, td.left {{ text-align: left; }}
th:first-child, td:first-child {{ position: sticky; left: 0; background: var(--page); }}
details th:first-child, details td:first-child {{ background: var(--card); }}
tr.best td, tr.best td:first-child {{ font-weight: 700; background: var(--best); }}
tr.baseline td {{ color: var(--soft); }} tr.first td {{ border-top: 1px solid var(--soft); }}
.compact {{ overflow-wrap: normal; }} .compact th {{ white-space: normal; max-width: 4.5rem; }}
.compact th, .compact td {{ padding: .25rem .5rem; }}
.compact th:first-child, .compact td:first-child {{ white-space: normal; max-width: 8rem;
  overflow-wrap: break-word; }}
td:has(.bar) {{ text-align: left; }}
td .wrap {{ display: inline-block; white-space: normal; max-width: 12rem; }}
@media (max-width: 40rem) {{ th, td {{ padding: .25rem .35rem; }} th {{ white-space: normal; overflow-wrap: normal; }}
  th:first-child, td:first-child {{ white-space: normal; min-width: 8rem; }}
  td:first-child {{ overflow-wrap: anywhere; }}
  .compact td {{ white-space: normal; }} .compact th:first-child, .compact td:first-child {{ min-width: 0; }} }}
td .bar {{ display: inline-block; height: .7rem; border-radius: .15rem; background: var(--dropped);
  vertical-align: middle; }}
figure {{ margin: 0; }} figure.plot {{ margin: 1rem 0; }}
svg {{ width: 100%; height: auto; display: block; }} svg.funnel {{ max-width: 46rem; }}
svg text {{ fill: var(--ink); font: 11px system-ui, sans-serif; }}
svg .soft {{ fill: var(--soft); font-size: 11px; }}
.plot svg {{ max-width: 28rem; margin: 0 auto; background: #fff; }} .plot svg text {{ fill: #000; }}
dl {{ font-size: .9rem; margin: 0; }} dd {{ margin: 0; color: var(--soft); }}
dt {{ font-weight: 600; margin-top: .7rem; display: flex; flex-wrap: wrap; justify-content: space-between;
  gap: 0 1rem; }}
dt span {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
code {{ font-size: .85em; }} pre {{ white-space: pre-wrap; font-size: .8rem; }}
details {{ margin: .5rem 0; }} summary span {{ font-weight: 400; color: var(--soft); }}
summary {{ cursor: pointer; font-weight: 600; }}
blockquote {{ margin: .5rem 0; padding: .4rem .7rem; border-left: 3px solid var(--line); white-space: pre-wrap;
  font-size: .85rem; max-height: 15rem; overflow-y: auto; }}
blockquote cite {{ display: block; color: var(--soft); font-style: normal; white-space: normal; }}
.key {{ display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem; margin-right: .35rem;
  vertical-align: -.05rem; }}
.stack {{ display: flex; height: 1.5rem; border-radius: .3rem; overflow: hidden; margin: .3rem 0; }}
.legend {{ display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; }}
"""
