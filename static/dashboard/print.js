// The page that goes to paper: its button asks the browser to print.
const button = document.querySelector("[data-print]");
button.hidden = false;
button.addEventListener("click", () => window.print());
