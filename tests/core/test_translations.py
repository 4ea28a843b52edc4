"""Strings are found, catalogs keep what is translated, and the check sees what is wrong."""

import gettext as gnu
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from core.translations import LANGUAGES
from core.translations.catalogs import Sources, compile_all, read, update
from core.translations.checking import counted, faults
from core.translations.extracting import Found, find_all, find_in

PAGE = """{% load i18n %}
    {% translate "Half is 50%" %}
  {% translate "May" context "month" %}
{% blocktranslate trimmed count counter=rows|length with name=who %}
    One row
    of {{ name }}
  {% plural %}
      {{ counter }} rows
      of {{ name }}
{% endblocktranslate %}
      {% blocktranslate with name=who %}Welcome, {{ name }}{% endblocktranslate %}
{% comment %}{% translate "Nobody reads this" %}{% endcomment %}
{% include "x.html" with label=_("A label") %}
"""
MODULE = '''
"""A module."""
LATE = gettext_lazy("Later")
def say(n):
    # Translators: a wish
    _("Good" " morning")
    ngettext("%(n)s visit", "%(n)s visits", n)
    pgettext("a month", "May")
    return not_a_call("Plain text")
'''


def ids(text: str, name: str) -> set[tuple[str | None, str | tuple[str, str]]]:
    return {(one.context, one.id) for one in find_in(text, name)}


def test_templates_are_read() -> None:
    assert ids(PAGE, "page.html") == {
        (None, "Half is 50%%"),
        ("month", "May"),
        (None, ("One row of %(name)s", "%(counter)s rows of %(name)s")),
        (None, "Welcome, %(name)s"),
        (None, "A label"),
    }


def test_python_is_read() -> None:
    found = list(find_in(MODULE, "module.py"))
    assert {(one.context, one.id) for one in found} == {
        (None, "Later"),
        (None, "Good morning"),
        (None, ("%(n)s visit", "%(n)s visits")),
        ("a month", "May"),
    }
    assert [one.comments for one in found if one.singular == "Good morning"] == [
        ["Translators: a wish"]
    ]


def test_the_whole_project_is_read() -> None:
    everything = find_all()
    for singular, file in [
        ("Sign in", "templates/accounts/sign_in.html"),
        ("Not found", "core/errors.py"),
        ("The back office is for staff.", "backoffice/site.py"),
    ]:
        assert file in everything[singular, None].files


def sources(*found: Found) -> Sources:
    return {one.key: one for one in found}


VISITS = Found("%(n)s visit of %(who)s", "%(n)s visits of %(who)s", files={"b.py"})
HELLO = Found("Hello, {name}", files={"a.py", "b.py"})
CODE = Found("Its <b>code</b> is %s", files={"a.html"})
THREE = sources(VISITS, HELLO, CODE)
ARABIC_VISITS = (
    "لا زيارات لـ %(who)s",
    "زيارة واحدة لـ %(who)s",
    "زيارتان لـ %(who)s",
    "%(n)s زيارات لـ %(who)s",
    "%(n)s زيارة لـ %(who)s",
    "%(n)s زيارة عند %(who)s",
)
SPANISH_VISITS = ("%(n)s visita de %(who)s", "%(n)s visitas de %(who)s")


def translated(language: str, **changed: object) -> Catalog:
    """A catalog of the three messages, complete but for what is changed."""
    visits = ARABIC_VISITS if language == "ar" else SPANISH_VISITS
    strings = {"visits": visits, "hello": "Hola, {name}", "code": "Su <b>código</b>: %s"} | changed
    catalog = read(Path("/nowhere"), language)
    catalog.add(VISITS.id, strings["visits"])
    catalog.add(HELLO.id, strings["hello"])
    catalog.add(CODE.id, strings["code"])
    return catalog


@pytest.mark.parametrize("language", ["es", "hi", "ar"])
def test_a_complete_catalog_has_no_fault(language: str) -> None:
    assert list(faults(translated(language), THREE)) == []


@pytest.mark.parametrize(
    ("language", "changed", "kind"),
    [
        ("es", {"hello": ""}, "untranslated"),
        ("es", {"hello": "Hola"}, "broken"),
        ("es", {"hello": "Hola, {nombre}"}, "broken"),
        ("es", {"code": "Su código: %s"}, "broken"),
        ("es", {"code": "Su <b>código</b>"}, "broken"),
        ("es", {"code": "Su <b>código</b>: %s <script>"}, "broken"),
        ("es", {"visits": ("%(n)s visita de %(who)s", "")}, "untranslated"),
        ("es", {"visits": ("Una visita", "%(n)s visitas de %(who)s")}, "broken"),
        ("es", {"visits": ("Una visita de %(who)s", "Visitas de %(who)s")}, "broken"),
        ("hi", {"visits": ("Una visita de %(who)s", "%(n)s visitas de %(who)s")}, "broken"),
        ("ar", {"visits": ARABIC_VISITS[:2]}, "untranslated"),
        ("ar", {"visits": (*ARABIC_VISITS[:3], "زيارات %(who)s", *ARABIC_VISITS[4:])}, "broken"),
        ("ar", {"visits": ("%(x)s %(who)s", *ARABIC_VISITS[1:])}, "broken"),
    ],
)
def test_a_fault_is_seen(language: str, changed: dict[str, object], kind: str) -> None:
    found = list(faults(translated(language, **changed), THREE))
    assert [fault.kind for fault in found] == [kind]
    assert counted(found) == f"1 {kind}"


def test_a_form_for_one_number_alone_may_say_it_in_words() -> None:
    """Spanish's first form stands for 1 alone; Hindi's for 0 and 1, above."""
    whole = {"visits": ("Una visita de %(who)s", "%(n)s visitas de %(who)s")}
    assert list(faults(translated("es", **whole), THREE)) == []


def test_a_missing_and_a_fuzzy_message_are_seen() -> None:
    catalog = translated("es")
    catalog.delete(CODE.id)
    catalog[HELLO.id].flags.add("fuzzy")
    assert sorted(fault.kind for fault in faults(catalog, THREE)) == ["fuzzy", "missing"]
    more = THREE | sources(Found("May", context="month"))
    assert [f.kind for f in faults(translated("es"), more)] == ["missing"]


def test_an_update_keeps_translations_and_changes_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    assert update(path, "es", THREE)
    text = path.read_text(encoding="utf-8")
    assert 'msgid "Hello, {name}"\nmsgstr ""' in text
    assert "POT-Creation-Date" not in text
    assert ":0" not in text, "no line numbers"
    path.write_text(
        text.replace('{name}"\nmsgstr ""', '{name}"\nmsgstr "Hola, {name}"'), encoding="utf-8"
    )
    assert not update(path, "es", THREE)
    moved = sources(VISITS, Found(HELLO.singular, files={"c.py"}), CODE)
    assert update(path, "es", moved)
    assert read(path, "es")[HELLO.id].string == "Hola, {name}"


def test_a_message_that_goes_is_marked_and_comes_back_translated(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    update(path, "es", THREE)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('{name}"\nmsgstr ""', '{name}"\nmsgstr "Hola, {name}"'), encoding="utf-8"
    )
    update(path, "es", sources(VISITS))
    text = path.read_text(encoding="utf-8")
    assert '#~ msgstr "Hola, {name}"' in text
    assert "código" not in text
    assert "Its <b>code" not in text, "nothing is kept of what was never translated"
    assert not update(path, "es", sources(VISITS))
    update(path, "es", THREE)
    assert read(path, "es")[HELLO.id].string == "Hola, {name}"
    assert "#~" not in path.read_text(encoding="utf-8")


def test_two_contexts_of_one_word_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    both = sources(Found("May", context="month"), Found("May", context="right"))
    update(path, "es", both)
    catalog = read(path, "es")
    for context, string in [("month", "mayo"), ("right", "puede")]:
        message = catalog.get("May", context)
        assert message is not None
        message.string = string
    assert list(faults(catalog, both)) == []


def test_catalogs_are_compiled_when_they_are_newer(tmp_path: Path) -> None:
    path = tmp_path / "es" / "LC_MESSAGES" / "django.po"
    update(path, "es", THREE)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace('{name}"\nmsgstr ""', '{name}"\nmsgstr "Hola, {name}"'), encoding="utf-8"
    )
    assert compile_all(tmp_path) == ["es"]
    made = gnu.translation("django", localedir=tmp_path, languages=["es"])
    assert made.gettext("Hello, {name}") == "Hola, {name}"
    assert made.gettext("Its <b>code</b> is %s") == "Its <b>code</b> is %s"
    assert compile_all(tmp_path) == []
    assert compile_all(tmp_path, force=True) == ["es"]
    assert [file.name for file in path.parent.iterdir() if file.suffix not in {".po", ".mo"}] == []


def test_every_language_of_the_settings_has_a_catalog(settings) -> None:
    assert {code for code, _name in settings.LANGUAGES} == {"en", *LANGUAGES}
