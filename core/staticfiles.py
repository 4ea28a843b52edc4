"""Static files under names that say their content, modules of our own scripts included."""

from whitenoise.storage import CompressedManifestStaticFilesStorage as Manifest

#: Folders of our scripts; those of libraries import nothing, or what they do not ship.
OWN = ("js", "checkin", "dashboard", "portal")


class StaticFiles(Manifest):
    """A script imports another under the same name by which pages link to it.

    Otherwise a browser would load a module twice, and run it twice. Django can do this for every
    script (`support_js_module_import_aggregation`); some of the libraries' fail it.
    """

    patterns = (
        *Manifest.patterns,
        *((f"{folder}/*.js", Manifest._js_module_import_aggregation_patterns[1]) for folder in OWN),
    )
