/* Show and hide what is typed into password fields, and say when Caps Lock is on. */

for (const button of document.querySelectorAll("button[data-shows]")) {
  const field = document.getElementById(button.dataset.shows);
  const show = button.textContent;
  const draw = (visible) => {
    field.type = visible ? "text" : "password";
    button.textContent = visible ? button.dataset.hide : show;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    draw(field.type === "password");
    field.focus();
  });
  // Sent as a password, whatever it looked like: browsers keep the text of other fields.
  field.form.addEventListener("submit", () => draw(false));
}

for (const hint of document.querySelectorAll("[data-caps]")) {
  const field = document.getElementById(hint.dataset.caps);
  const look = (event) => {
    if (event.getModifierState) hint.hidden = !event.getModifierState("CapsLock");
  };
  field.addEventListener("keydown", look);
  field.addEventListener("keyup", look);
  field.addEventListener("blur", () => { hint.hidden = true; });
}
