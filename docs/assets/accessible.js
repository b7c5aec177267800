// Gives names to what the theme makes without one, so that screen readers and the keyboard reach all of it.
function improve() {
  document.querySelector(".md-search[role=dialog]")?.setAttribute("aria-label", "Search");
  for (const bar of document.querySelectorAll("nav.md-code__nav:not([aria-label])")) bar.setAttribute("aria-label", "Code");
  for (const [n, table] of [...document.querySelectorAll(".md-typeset__scrollwrap")].entries()) {
    if (table.hasAttribute("tabindex")) continue;
    table.tabIndex = 0; // scrolled by keyboard
    table.setAttribute("role", "region");
    table.setAttribute("aria-label", `Table ${n + 1}`);
  }
  for (const head of document.querySelectorAll("th:empty")) {
    head.replaceWith(Object.assign(document.createElement("td"), { className: head.className }));
  }
  const names = new Map();
  for (const place of document.querySelectorAll("nav[aria-label]")) {
    const name = place.dataset.name ??= place.getAttribute("aria-label");
    const count = (names.get(name.toLowerCase()) ?? 0) + 1;
    names.set(name.toLowerCase(), count);
    const wanted = count > 1 ? `${name}, ${count}` : name;
    if (place.getAttribute("aria-label") !== wanted) place.setAttribute("aria-label", wanted);
  }
}
new MutationObserver(improve).observe(document.body, { childList: true, subtree: true });
improve();
