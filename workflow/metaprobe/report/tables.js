"use strict";
// Tables that sort, filter and turn pages. Without scripts all rows are there to read.
const PAGE = 50, LONG = 200;

function made(name, text, parent) {
  const element = document.createElement(name);
  element.textContent = text;
  parent.append(element);
  return element;
}

function compare(one, other) {
  if (one === "" || other === "") return (one === "") - (other === "");
  const numbers = [parseFloat(one), parseFloat(other)];
  if (!numbers.some(Number.isNaN)) return numbers[0] - numbers[1];
  return one.localeCompare(other, "en", {numeric: true});
}

function enhance(table) {
  const body = table.tBodies[0], long = body.rows.length > LONG;
  let rows = [...body.rows], wanted = "", page = 0;
  const controls = document.createElement("div");
  controls.className = "controls";
  if (rows.length > 10) (table.closest(".scroller") || table).before(controls);

  const label = made("label", "Show rows with ", controls), filter = made("input", "", label);
  filter.type = "search";
  const back = made("button", "Previous", controls), on = made("button", "Next", controls);
  const told = made("span", "", controls);
  told.setAttribute("role", "status");
  back.type = on.type = "button";
  if (!long) back.hidden = on.hidden = true;

  function show() {
    const found = rows.filter(row => row.textContent.toLowerCase().includes(wanted));
    const first = long ? page * PAGE : 0, last = long ? first + PAGE : found.length;
    const there = new Set(found.slice(first, last));
    for (const row of rows) row.hidden = !there.has(row);
    back.disabled = !first;
    on.disabled = last >= found.length;
    const many = found.length === rows.length ? `${rows.length} rows`
      : `${found.length} of ${rows.length} rows`;
    const part = there.size < found.length ? `${first + 1} to ${first + there.size} of ` : "";
    told.textContent = long || wanted ? part + many : "";
  }

  function turn(to) { page = to; show(); }
  filter.addEventListener("input", () => { wanted = filter.value.toLowerCase(); turn(0); });
  back.addEventListener("click", () => turn(page - 1));
  on.addEventListener("click", () => turn(page + 1));

  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const rising = heading.getAttribute("aria-sort") !== "ascending", sign = rising ? 1 : -1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = new Map(rows.map(row => [row, row.cells[column].textContent.trim()]));
      rows.sort((a, b) => sign * compare(key.get(a), key.get(b)));
      body.append(...rows);
      turn(0);
    });
  });
  show();
}

// A frame that holds more than it shows fades at its right edge, and the keyboard reaches it.
function watch(frame) {
  const look = () => {
    const right = frame.scrollWidth - frame.clientWidth - frame.scrollLeft;
    frame.classList.toggle("more", right > 1);
    const scrolls = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
    if (scrolls) frame.tabIndex = 0; else frame.removeAttribute("tabindex");
  };
  frame.addEventListener("scroll", look, {passive: true});
  new ResizeObserver(look).observe(frame);
}

document.querySelectorAll("table.sortable").forEach(enhance);
document.querySelectorAll(".scroller").forEach(watch);
