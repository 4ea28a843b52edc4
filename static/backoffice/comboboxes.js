// Give each autocomplete its field's label as its accessible name: the library names it after its
// own text, which is empty until something is chosen.
{
  const name = (select) => {
    const label = select.labels?.[0];
    const combobox = select.nextElementSibling?.querySelector("[role=combobox]");
    if (!label || !combobox) return;
    label.id ||= `${select.id}-label`;
    const shown = combobox.querySelector(".select2-selection__rendered");
    // A text box within a combobox is no pattern; without the role it is the combobox's value.
    shown?.removeAttribute("role");
    shown?.removeAttribute("aria-readonly");
    combobox.setAttribute("aria-labelledby", [label.id, shown?.id].filter(Boolean).join(" "));
  };
  // The library makes them when it likes, and those of an added row later still.
  new MutationObserver(() => {
    document.querySelectorAll("select.select2-hidden-accessible").forEach(name);
  }).observe(document.documentElement, { childList: true, subtree: true });
}
