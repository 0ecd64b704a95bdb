function render({ model, el }) {
  const size = 220, low = model.get("low"), high = model.get("high");
  const pad = document.createElement("div");
  pad.tabIndex = 0;
  pad.setAttribute("role", "application");
  pad.setAttribute("aria-label", "A point on a plane: drag it, or move it with the arrow keys");
  pad.className = "course-drag-pad";
  pad.style.cssText = `position:relative;width:${size}px;height:${size}px;margin:4px;
    border:1px solid #333;touch-action:none;cursor:crosshair;background:
    linear-gradient(#ccc,#ccc) 50% 0/1px 100% no-repeat,
    linear-gradient(#ccc,#ccc) 0 50%/100% 1px no-repeat,#fff`;
  const dot = document.createElement("div");
  dot.style.cssText = `position:absolute;width:16px;height:16px;margin:-9px;border-radius:50%;
    background:#D55E00;border:2px solid #fff;box-shadow:0 0 0 1px #333;pointer-events:none`;
  pad.append(dot);
  el.append(pad);
  const clamp = (v) => Math.min(high, Math.max(low, v));
  const place = () => {
    dot.style.left = `${((model.get("x") - low) / (high - low)) * size}px`;
    dot.style.top = `${((high - model.get("y")) / (high - low)) * size}px`;
  };
  const move = (x, y) => {
    model.set("x", clamp(x));
    model.set("y", clamp(y));
    model.save_changes();
    place();
  };
  const follow = (event) => {
    const box = pad.getBoundingClientRect();
    move(low + ((event.clientX - box.left) / size) * (high - low),
         high - ((event.clientY - box.top) / size) * (high - low));
  };
  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    pad.focus();
    follow(event);
  });
  pad.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  pad.addEventListener("keydown", (event) => {
    const step = (high - low) / 40, x = model.get("x"), y = model.get("y");
    const to = { ArrowLeft: [x - step, y], ArrowRight: [x + step, y],
                 ArrowUp: [x, y + step], ArrowDown: [x, y - step] }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    move(...to);
  });
  model.on("change:x", place);
  model.on("change:y", place);
  place();
}
export default { render };
