function render({ el }) {
  el.style.display = "none";
  const stay = (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  };
  const find = (tries) => {
    const box = el.closest(".widget-vbox");
    if (box) box.addEventListener("keydown", stay);
    else if (tries) requestAnimationFrame(() => find(tries - 1));
  };
  find(60);
}
export default { render };
