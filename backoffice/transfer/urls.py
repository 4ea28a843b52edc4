"""The addresses of imports and exports, to be mounted by the site."""

from django.urls import path

from backoffice.transfer import views

urlpatterns = [
    path("", views.transfer_list, name="transfer_list"),
    path("new/", views.transfer_new, name="transfer_new"),
    path("export/", views.transfer_export, name="transfer_export"),
    path("<uuid:pk>/", views.transfer_detail, name="transfer_detail"),
    path("<uuid:pk>/columns/", views.transfer_columns, name="transfer_columns"),
    path("<uuid:pk>/progress/", views.transfer_progress, name="transfer_progress"),
    path("<uuid:pk>/report/", views.transfer_faults, name="transfer_faults"),
    path("<uuid:pk>/run/", views.transfer_run, name="transfer_run"),
    path("<uuid:pk>/continue/", views.transfer_continue, name="transfer_continue"),
    path("<uuid:pk>/discard/", views.transfer_discard, name="transfer_discard"),
]
