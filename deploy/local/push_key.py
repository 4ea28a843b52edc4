"""The key pair of Web Push for `make run`: made once a folder, so that subscriptions last."""

import os
from collections.abc import Mapping
from pathlib import Path

from checkin.push.vapid import new_private_key

#: Push services want to know whom to write to when something is wrong with what we send.
SUBJECT = "mailto:admin@demo.kairos"


def push_settings(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment that sets Web Push up; nothing when `given` does so already."""
    if given.get("VAPID_PRIVATE_KEY") or given.get("VAPID_PRIVATE_KEY_FILE"):
        return {}
    path = folder / "push.key"
    if not path.exists():
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(new_private_key())
        fresh.replace(path)
    key = path.read_text(encoding="utf-8").strip()
    return {"VAPID_PRIVATE_KEY": key, "VAPID_SUBJECT": given.get("VAPID_SUBJECT") or SUBJECT}
