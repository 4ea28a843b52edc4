/**
 * "Tell me when it is my turn": the browser is asked, and says where it can be reached.
 * The button is there only where the browser can do it.
 */

export function offerPush(box) {
  const can = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  if (!box || !can) return;
  const button = box.querySelector("#push-go");
  const words = box.querySelector("#push-said");

  function say(text) {
    words.textContent = text;
    words.hidden = false;
  }

  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      if ((await Notification.requestPermission()) !== "granted") {
        say(box.dataset.denied);
        return;
      }
      await subscribe(box);
      button.hidden = true;
      say(box.dataset.on);
    } catch {
      say(box.dataset.failed);
    } finally {
      button.disabled = false;
    }
  });
  box.hidden = false;
}

async function subscribe(box) {
  const registration = await active(await navigator.serviceWorker.register(box.dataset.worker));
  const options = { userVisibleOnly: true, applicationServerKey: bytes(box.dataset.key) };
  let subscription;
  try {
    subscription = await registration.pushManager.subscribe(options);
  } catch (error) {
    // A subscription of before, with another key, is in the way.
    const old = await registration.pushManager.getSubscription();
    if (!old) throw error;
    await old.unsubscribe();
    subscription = await registration.pushManager.subscribe(options);
  }
  const { endpoint, keys } = subscription.toJSON();
  const answer = await fetch(box.dataset.url, {
    method: "POST",
    headers: { "X-CSRFToken": box.querySelector("[name=csrfmiddlewaretoken]").value },
    body: new URLSearchParams({ endpoint, p256dh: keys.p256dh, auth: keys.auth }),
  });
  if (!answer.ok) throw new Error(String(answer.status));
}

/** The registration, once its worker works: only then can it be subscribed. */
function active(registration) {
  const worker = registration.installing || registration.waiting;
  if (registration.active || !worker) return registration;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve(registration);
      if (worker.state === "redundant") reject(new Error("the worker was not taken"));
    });
  });
}

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}
