// a region that scrolls can be reached with the keyboard
const reachable = () => {
  const boxes = ".tag_output_scroll div.cell_output, .tag_scroll-output div.cell_output, "
    + "div.cell_output, .cell_output .output, .player-box, article figure, .diagram";
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight) continue;
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "output, scrolls");
  }
};
addEventListener("load", reachable); // when pictures have their size
addEventListener("resize", reachable);
// the arrow that unfolds pages below a page in the menu has a name
document.addEventListener("DOMContentLoaded", () => {
  for (const arrow of document.querySelectorAll(".bd-sidebar summary, nav summary")) {
    arrow.setAttribute("aria-label", "pages below");
  }
});
// on paper nothing unfolds: all but folded code is printed open
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details:not([open], .above-input)")) {
    fold.open = fold.dataset.folded = true;
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-folded]")) {
    fold.open = false;
    delete fold.dataset.folded;
  }
});
