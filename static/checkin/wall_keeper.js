/**
 * What keeps a screen going for months: awake, fresh each night, and of the server's own build.
 *
 * A page is loaded anew only when its server has just answered: an error page of the browser would
 * stay there until somebody comes.
 */

const NIGHT = 3 * 60 + 30;
const NIGHT_ENDS = 5 * 60 + 30;
const SPREAD = 40;
const LOOK_EVERY = 60_000;
const AGAIN_AFTER = 15_000;
const FETCH_WITHIN = 10_000;
/** A build that the server names is looked at once in so many: servers may differ for a while. */
const BUILD_EVERY = 5 * 60_000;

/** Load `url` anew once its server answers; resolves to false when the page stays. */
async function fresh(url, build) {
  try {
    const answer = await fetch(url, { cache: "no-store", signal: AbortSignal.timeout(FETCH_WITHIN) });
    if (!answer.ok) return false;
    const text = await answer.text();
    // The socket's server may be of another build than the one that would give the page.
    if (build !== null && !answer.redirected && text.includes(`data-build="${build}"`)) return false;
    if (answer.redirected) window.location.replace(answer.url);
    else window.location.reload();
    return true;
  } catch {
    return false;
  }
}

export function keeper({ build, minuteOfDay, isIdle, isBusy }) {
  const url = window.location.href;
  const at = NIGHT + Math.random() * SPREAD;
  const startedAt = Date.now();
  let lookedForBuildAt = -Infinity;
  let lock = null;
  let leaving = false;

  async function stayAwake() {
    if (document.visibilityState !== "visible" || navigator.wakeLock === undefined) return;
    if (lock !== null && !lock.released) return;
    try {
      lock = await navigator.wakeLock.request("screen");
    } catch {
      lock = null; // low on power, or not allowed: the screen does as its settings say
    }
  }

  async function look() {
    await stayAwake();
    const minute = minuteOfDay();
    const slept = Date.now() - startedAt > 3 * 3_600_000;
    if (slept && minute >= at && minute < NIGHT_ENDS && isIdle()) await fresh(url, null);
  }

  /** Until the server says where this screen belongs now. */
  async function leave() {
    if (leaving) return;
    leaving = true;
    if (await fresh(url, null)) return;
    window.setTimeout(() => {
      leaving = false;
      leave();
    }, AGAIN_AFTER);
  }

  window.setInterval(look, LOOK_EVERY);
  document.addEventListener("visibilitychange", stayAwake);
  stayAwake();

  return {
    leave,
    /** The server has told its build. */
    built(name) {
      if (name === build || isBusy()) return;
      if (Date.now() - lookedForBuildAt < BUILD_EVERY) return;
      lookedForBuildAt = Date.now();
      // Spread, or a hundred screens would load at once.
      window.setTimeout(() => fresh(url, build), Math.random() * 20_000);
    },
  };
}
