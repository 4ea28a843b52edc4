"""The scanner with the network down: it opens, keeps scans, and every one of them counts once."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from checkin.models import CheckIn, QueueEntry
from checkin.pages.scan import SYNC_TAG
from core import clock, tenancy
from tests.checkin.browser.scanning import build_entrance, scan, scanner_page
from tests.support.browser import expect
from tests.support.browser_watch import shot
from tests.support.polling import eventually

pytestmark = pytest.mark.chromium
SCANS = 20
#: Everything that the browser keeps for this site, as text; scans apart.
KEPT = """async () => {
    const open = indexedDB.open("kairos-scanner");
    const database = await new Promise((done) => { open.onsuccess = () => done(open.result); });
    const all = database.transaction("scans").objectStore("scans").getAll();
    const scans = await new Promise((done) => { all.onsuccess = () => done(all.result); });
    database.close();
    const pages = [];
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            if (request.url.endsWith(".wasm")) continue;
            pages.push(await (await cache.match(request)).text());
        }
    }
    const others = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
    return JSON.stringify({scans, rest: [...pages, ...others].join(" ")});
}"""


def kept(page: Any) -> tuple[list[dict[str, Any]], str]:
    """The scans that the browser keeps, and all else that it does."""
    found = json.loads(page.evaluate(KEPT))
    return found["scans"], found["rest"]


def assert_no_person_in(text: str) -> None:
    assert "Given" not in text
    assert "Family" not in text


def ready_without_network(page: Any) -> None:
    """The service worker has the page and its files."""
    page.evaluate("async () => { await navigator.serviceWorker.ready; }")
    eventually(lambda: page.evaluate("caches.match('/scan/').then(Boolean)"))


def arrivals() -> tuple[int, int]:
    """How many arrivals and places in the queue there are."""
    with tenancy.scope(tenancy.SYSTEM):
        return CheckIn.objects.count(), QueueEntry.objects.count()


def assert_arrived_since(begin: datetime) -> None:
    """No arrival is of another time, give or take what a clock told in whole seconds allows."""
    with tenancy.scope(tenancy.SYSTEM):
        times = list(CheckIn.objects.values_list("checked_in_at", flat=True))
    assert times
    slack = timedelta(seconds=3)
    assert all(begin - slack <= at <= clock.now() + slack for at in times)


def test_scans_made_offline_all_count_once(browser: Any, live_wsgi: str):
    entrance = build_entrance(SCANS)
    codes = [entrance.code(visit) for visit in entrance.visits]
    begin = clock.now()
    with scanner_page(browser, live_wsgi, entrance, years_behind=7) as page:
        ready_without_network(page)
        page.context.set_offline(True)
        for code in codes[:8]:
            scan(page, code)
        expect(page.locator("#waiting-count")).to_have_text("8")  # said once they are kept
        scan(page, "BEGIN:VCARD N:Family;Given END:VCARD")  # a card with a person on it
        expect(page.locator("#result")).to_contain_text("Not a valid code")

        page.reload()  # the network is down
        expect(page.locator("#waiting-count")).to_have_text("8")
        for code in [*codes[8:], codes[3]]:  # one of them a second time
            scan(page, code)
        expect(page.locator("#waiting-count")).to_have_text(str(SCANS + 1))
        expect(page.locator("#net")).to_contain_text("No connection")
        shot(page, "checkin", "scanner-offline")
        scans, rest = kept(page)
        assert {tuple(sorted(one)) for one in scans} == {("nonce", "qr_code", "scanned_at", "sure")}
        assert_no_person_in(json.dumps(scans) + rest)
        assert arrivals() == (0, 0)

        page.context.set_offline(False)
        expect(page.locator("#waiting")).to_be_hidden(timeout=30_000)
        expect(page.locator("#net")).to_contain_text("Connected")
        assert entrance.arrived() == entrance.visits
        assert arrivals() == (SCANS, SCANS)
        assert_arrived_since(begin)
        eventually(lambda: kept(page)[0] == [])
        assert_no_person_in(kept(page)[1])


def test_an_answer_lost_on_the_way_comes_again(browser: Any, live_wsgi: str):
    entrance = build_entrance(1)
    begin = clock.now()
    with scanner_page(browser, live_wsgi, entrance, years_behind=7) as page:

        def lose(route: Any) -> None:
            route.fetch()
            route.abort()

        page.route("**/check-in/scan-qr", lose)
        scan(page, entrance.code(entrance.visits[0]))
        expect(page.locator("#result")).to_contain_text("Given0 Family0", timeout=20_000)
        expect(page.locator("#result")).to_contain_text("Checked in")
        assert arrivals() == (1, 1)
        assert_arrived_since(begin)
        eventually(lambda: kept(page)[0] == [])


def test_what_was_refused_stays_until_somebody_has_read_it(browser: Any, live_wsgi: str):
    entrance = build_entrance(1)
    foreign = "A" * 76
    with scanner_page(browser, live_wsgi, entrance) as page:
        ready_without_network(page)
        page.context.set_offline(True)
        scan(page, foreign)
        expect(page.locator("#waiting-count")).to_have_text("1")
        page.context.set_offline(False)
        expect(page.locator("#open-list")).to_contain_text("Not a valid code", timeout=20_000)
        shot(page, "checkin", "scanner-refused-later")
        page.reload()
        expect(page.locator("#open-list")).to_contain_text("Not a valid code")
        page.get_by_role("button", name="Done").click()
        expect(page.locator("#open")).to_be_hidden()
        assert eventually(lambda: kept(page)[0] == [])


def test_the_browser_sends_what_a_closed_page_kept(browser: Any, live_wsgi: str):
    entrance = build_entrance(2)
    with scanner_page(browser, live_wsgi, entrance) as page:
        ready_without_network(page)
        page.context.set_offline(True)
        for visit in entrance.visits:
            scan(page, entrance.code(visit))
        expect(page.locator("#waiting-count")).to_have_text("2")
        page.goto("about:blank")
        page.context.set_offline(False)

        page.goto(f"{live_wsgi}/health")  # a page of ours, but not the scanner
        sync_in_background(page, live_wsgi)
        eventually(lambda: entrance.arrived() == entrance.visits, timeout=10)

        page.goto(f"{live_wsgi}/scan/")  # the answers are read here, and told once more
        expect(page.locator("#recent-list li")).to_have_count(2)
        assert arrivals() == (2, 2)
        eventually(lambda: kept(page)[0] == [])


def sync_in_background(page: Any, base: str) -> None:
    """What Chromium does once it is connected again, without waiting for its own good time."""
    session = page.context.new_cdp_session(page)
    seen: list[dict[str, Any]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated", lambda event: seen.extend(event["registrations"])
    )
    session.send("ServiceWorker.enable")

    def found() -> list[dict[str, Any]]:
        page.title()  # events are heard while Playwright has something to do
        return [one for one in seen if one["scopeURL"] == f"{base}/scan/"]

    ours = eventually(found)
    session.send(
        "ServiceWorker.dispatchSyncEvent",
        {
            "origin": base,
            "registrationId": ours[0]["registrationId"],
            "tag": SYNC_TAG,
            "lastChance": False,
        },
    )
