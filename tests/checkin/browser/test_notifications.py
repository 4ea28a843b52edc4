"""What is pushed is shown, by the service worker that the place page registers."""

import json
from typing import Any

import pytest

from tests.support.polling import eventually

pytestmark = [pytest.mark.chromium, pytest.mark.django_db(transaction=True)]
SHOWN = """async () => {
    const registration = await navigator.serviceWorker.getRegistration("/place/");
    const shown = await registration.getNotifications();
    return shown.map(one => [one.title, one.body, one.tag, one.lang, one.dir]);
}"""
REGISTER = """async () => {
    const registration = await navigator.serviceWorker.register("/place/sw.js");
    const worker = registration.installing || registration.waiting || registration.active;
    while (worker.state !== "activated") {
        await new Promise((done) => worker.addEventListener("statechange", done, {once: true}));
    }
}"""


def test_a_message_is_shown_and_the_next_takes_its_place(page: Any, live_wsgi: str):
    page.context.grant_permissions(["notifications"], origin=live_wsgi)
    page.goto(f"{live_wsgi}/place")
    session = page.context.new_cdp_session(page)
    known: list[dict[str, Any]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: known.extend(event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    page.evaluate(REGISTER)
    eventually(lambda: known)
    registration = next(one for one in known if one["scopeURL"].endswith("/place/"))

    def deliver(data: str) -> None:
        session.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": live_wsgi,
                "registrationId": registration["registrationId"],
                "data": data,
            },
        )

    message = {"title": "A007", "body": "Soon.", "tag": "visit", "lang": "ar", "dir": "rtl"}
    deliver(json.dumps(message))
    soon = ["A007", "Soon.", "visit", "ar", "rtl"]
    eventually(lambda: page.evaluate(SHOWN) == [soon])
    deliver(json.dumps(message | {"body": "Please come in."}))
    come = ["A007", "Please come in.", "visit", "ar", "rtl"]
    eventually(lambda: page.evaluate(SHOWN) == [come])
    deliver("not to be read")
    bare = ["Kairos", "", "", "", "auto"]
    eventually(lambda: sorted(page.evaluate(SHOWN)) == sorted([come, bare]))
