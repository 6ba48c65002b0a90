"""The HTML of the report, for Jinja; beside the code, so that a change of it is a change of code."""

TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:;
 style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>metaprobe: report of a run</title>
<style>
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
  max-width: 64rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
.wide { overflow-x: auto; } .wide img { display: block; max-width: none; }
@media (min-width: 48rem) { .wide img { max-width: 100%; height: auto; } }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top; }
th button { font: inherit; font-weight: bold; border: 0; background: none; padding: 0; cursor: pointer;
  text-decoration: underline dotted; }
#table { overflow-wrap: normal; white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
.card { border: 1px solid #ccc; border-radius: .4rem; padding: .8rem; break-inside: avoid; }
.card h3 { margin: 0 0 .4rem; } .card dl { margin: 0; display: grid;
  grid-template-columns: auto 1fr; gap: .1rem .8rem; font-size: .9rem; } .card dd { margin: 0; }
.error { border-left: .3rem solid #D55E00; padding-left: .6rem; }
.warning { border-left: .3rem solid #E69F00; padding-left: .6rem; }
input { font: inherit; padding: .3rem; width: 100%; max-width: 20rem; box-sizing: border-box; }
figure { margin: 0; break-inside: avoid; } nav a { margin-right: .8rem; }
@media print { nav, input { display: none; } body { max-width: none; font-size: 11px; }
  .wide { overflow: visible; } .wide img { max-width: 100%; height: auto; } }
</style>
</head>
<body>
<h1>metaprobe: report of a run</h1>
<nav>{% for figure in figures %}<a href="#{{ figure.name }}">{{ figure.title }}</a>
{% endfor %}<a href="#validation">Validation</a> <a href="#tasks">Tasks</a>
<a href="#experiments">Experiments</a> <a href="#cite">How to cite</a></nav>
<div class="wide"><table>
{% for name, value in facts %}<tr><th scope="row">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}</table></div>
{% for figure in figures %}
<section id="{{ figure.name }}">
<h2>{{ figure.title }}</h2>
<figure>
<div class="wide"><img alt="{{ figure.title }}. {{ figure.sentence }}" src="{{ figure.svg|data_url }}"></div>
<figcaption>{{ figure.sentence }}</figcaption>
</figure>
{% if figure.name == "completeness" and failures %}<ul>
{% for experiment, reason, others in failures %}<li class="error"><b>{{ experiment }}</b>{% if others %}
 and {{ others }} more{% endif %}: {{ reason }}</li>
{% endfor %}</ul>{% endif %}
</section>
{% endfor %}
{% if notes %}<ul>
{% for note in notes %}<li class="warning">{{ note }}</li>
{% endfor %}</ul>{% endif %}
<section id="validation">
<h2>Validation</h2>
{% if validation is none %}<p>The table is not there yet, so it was not checked.</p>
{% else %}<p>{{ validation.checks|selectattr("checked")|list|length }} checks of
{{ validation.table }}, {{ validation.rows }} rows of
{{ validation.experiments }} experiments:
{% if not findings %}nothing was found.{% else %}an error means that the table cannot be right, a warning
that it should be looked at.{% endif %}</p>
{% for name, severity, found in findings %}<div class="{{ severity }}"><p><b>{{ severity }}: {{ name }}</b>,
{{ found|length }}</p><ul>{% for one in found %}<li>{{ one }}</li>
{% endfor %}</ul></div>
{% endfor %}{% endif %}
</section>
<section id="tasks">
<h2>Tasks</h2>
<div class="cards">
{% for card in cards %}<div class="card"><h3>{{ card.task }}</h3><dl>
{% if card.best is defined %}<dt>classes</dt><dd>{{ card.classes }}</dd>
<dt>images</dt><dd>{{ card.train }} to train, {{ card.test }} to test</dd>
{% if card.pretext %}<dt>task</dt><dd>self-supervised: {{ card.pretext }}</dd>{% endif %}
{% if card.partial %}<dt>part</dt><dd>a part of the data set only</dd>{% endif %}
<dt>majority rate</dt><dd>{{ "%.3f"|format(card.majority) }}</dd>
<dt>best</dt><dd>{{ card.best.configuration }} ({{ "%.3f"|format(card.best.test_accuracy) }})</dd>
<dt>worst</dt><dd>{{ card.worst.configuration }} ({{ "%.3f"|format(card.worst.test_accuracy) }})</dd>
<dt>family</dt><dd>{{ card.family }}</dd>
{% else %}<dt>experiments</dt><dd>none done yet</dd>
{% endif %}<dt>licence</dt><dd>{{ card.licence }}</dd></dl></div>
{% endfor %}</div>
</section>
<section id="experiments">
<h2>Experiments</h2>
<p><label>Show only rows that contain <input id="filter" type="search"></label>
A click on a heading sorts.</p>
<div class="wide"><table id="table"><thead><tr>
{% for name in ["task", "configuration", "architecture", "test accuracy", "train accuracy", "test loss",
 "balanced accuracy", "macro F1", "calibration error", "range over replicates", "seconds alone"] %}
<th scope="col"><button type="button">{{ name }}</button></th>
{% endfor %}</tr></thead><tbody>
{% for one in fragments %}<tr>
<td>{{ one.task_id }}</td><td>{{ one.configuration }}</td><td>{{ one.architecture }}</td>
{% for value in [one.test_accuracy, one.train_accuracy, one.test_loss, one.test_balanced_accuracy,
 one.test_macro_f1, one.test_expected_calibration_error] %}
<td class="number">{{ "%.4f"|format(value) }}</td>
{% endfor %}<td class="number">{% if one.replicates|length > 1 %}{{ "%.4f"|format(one|spread) }}{% endif %}</td>
<td class="number">{{ "%.1f"|format(one.training_time_sec) }}</td></tr>
{% endfor %}</tbody></table></div>
</section>
<section id="cite">
<h2>How to cite</h2>
<p>The method that these tables serve: H. Rakotoarison et al., <i>Learning meta-features for AutoML</i>,
ICLR 2022, <a href="https://openreview.net/forum?id=DTkEfj0Ygb8">openreview.net/forum?id=DTkEfj0Ygb8</a>.
The workflow: the metaprobe developers, <i>metaprobe: image data sets as a meta-learning table</i>;
CITATION.cff in its repository has the entry. Each data set has its own licence and its own paper.</p>
</section>
<script>
"use strict";
const table = document.getElementById("table"), body = table.tBodies[0];
document.getElementById("filter").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
table.querySelectorAll("th button").forEach((button, column) => {
  let direction = -1;
  button.addEventListener("click", () => {
    direction = -direction;
    const key = row => row.cells[column].textContent;
    const sorted = [...body.rows].sort((a, b) =>
      direction * key(a).localeCompare(key(b), "en", {numeric: true}));
    body.append(...sorted);
  });
});
</script>
</body>
</html>
"""
