// A list of links, each of which sends its run's id. Words come as text and are set as text.
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector("ol");
  list.setAttribute("aria-label", data.label);
  list.replaceChildren(...data.cells.map((cell) => {
    const item = document.createElement("li"), link = document.createElement("a");
    item.className = cell.kind;
    link.href = cell.href;
    link.title = cell.said;
    link.setAttribute("aria-label", cell.said);
    link.textContent = cell.mark;
    if (cell.current) link.setAttribute("aria-current", "true");
    link.onclick = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      setTriggerValue("opened", cell.id);
    };
    item.append(link);
    return item;
  }));
  parentElement.querySelector("p").textContent = data.span;
}
