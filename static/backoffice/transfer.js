// How far an import is, asked for every second and a half; at the end the page is drawn anew.
const section = document.querySelector("[data-transfer-progress]");
const PAUSE = 1500;

async function look() {
  let found = null;
  try {
    const answer = await fetch(section.dataset.transferProgress, {
      headers: { Accept: "application/json" },
      credentials: "same-origin",
    });
    if (answer.ok && (answer.headers.get("Content-Type") || "").includes("json")) {
      found = await answer.json();
    }
  } catch {
    // The line may be down for a moment; the next look tells.
  }
  if (found) {
    if (!found.under_way) {
      window.location.reload();
      return;
    }
    section.querySelector("progress").value = found.percent;
    section.querySelector("[data-transfer-done]").textContent = found.done;
    section.querySelector("[data-transfer-bad]").textContent = found.bad;
    document.getElementById("transfer-state").textContent = found.label;
  }
  window.setTimeout(look, PAUSE);
}

if (section) {
  window.setTimeout(look, PAUSE);
}
