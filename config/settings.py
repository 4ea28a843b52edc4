"""Settings: one file, one code path. What may differ between installations is in ``config.env``."""

from datetime import timedelta
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from config import env as _env
from config.logs import logging_config

ENV = _env.load()
BASE_DIR = _env.BASE_DIR
DATA_DIR = ENV.data_dir

DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = ENV.secret_key_fallbacks
ALLOWED_HOSTS = ENV.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "guardian",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "import_export",
    "channels",
    "django_htmx",
    "core",
    "accounts",
    "clinics",
    "appointments",
    "checkin",
    "followups",
    "backoffice",
    "dashboard",
    "portal",
]

MIDDLEWARE = [
    "core.middleware.RequestContextMiddleware",
    "core.middleware.ErrorPageMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "core.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.language.LanguageOfUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "core.frame.page_frame",
            ]
        },
    }
]

# --- Database ---------------------------------------------------------------------------------
# `default` acts as the runtime role, which owns nothing; `owner` is for `manage.py migrate` alone.


def _database(url: str, *, role: str | None) -> dict[str, Any]:
    """Django's settings from a libpq URL. `role` is assumed right after the log-in."""
    parts: dict[str, Any] = conninfo_to_dict(url)
    options = parts.pop("options", None) or ""
    settings: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "kairos"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": str(parts.pop("port", "") or ""),
        "CONN_MAX_AGE": None,
        "OPTIONS": parts,
    }
    if role:
        # 2 s for a statement of a request; jobs and reports widen it for their own transaction.
        options += f" -c role={role} -c statement_timeout=2000 -c lock_timeout=3000"
        options += " -c idle_in_transaction_session_timeout=60000"
    parts["options"] = options.strip()
    parts.setdefault("connect_timeout", 3)
    # Values travel apart from the SQL; a statement seen a few times is planned once a connection.
    parts["server_side_binding"] = True
    parts["prepare_threshold"] = 3
    return settings


DATABASES = {
    "default": _database(ENV.database_url.get_secret_value(), role=ENV.database_role),
    "owner": _database(
        ENV.database_owner_url.get_secret_value() or ENV.database_url.get_secret_value(), role=None
    ),
}
if ENV.database_pool:
    # Under ASGI every request has a thread of its own: connections are kept in a pool instead.
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": ENV.database_pool_size,
        "timeout": 3,
    }
DATABASES["owner"]["TEST"] = {"MIRROR": "default"}
DATABASE_ROUTERS: list[str] = []
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Valkey -----------------------------------------------------------------------------------
REDIS_URL = ENV.redis_url.get_secret_value()
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "kairos",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": 0.25,
            "SOCKET_TIMEOUT": 0.25,
            "IGNORE_EXCEPTIONS": True,
        },
    }
}

# --- Celery -----------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = {
    "outbox-sweep": {"task": "core.outbox_relay", "schedule": timedelta(seconds=30)},
    "audit-seal": {"task": "core.audit_seal", "schedule": timedelta(minutes=1)},
    "partitions": {"task": "core.partitions_maintain", "schedule": timedelta(days=1)},
    "idempotency-prune": {"task": "core.idempotency_prune", "schedule": timedelta(hours=1)},
    "page-sessions-prune": {
        "task": "accounts.page_sessions_prune",
        "schedule": timedelta(minutes=10),
    },
    "holds-sweep": {"task": "appointments.holds_sweep", "schedule": timedelta(minutes=1)},
    "busy-time-prune": {"task": "appointments.busy_time_prune", "schedule": timedelta(days=1)},
    "transfers-prune": {"task": "backoffice.transfers_prune", "schedule": timedelta(days=1)},
    "queue-sweep": {"task": "checkin.queue_sweep", "schedule": timedelta(minutes=15)},
    "receipts-prune": {"task": "checkin.receipts_prune", "schedule": timedelta(days=1)},
    "push-prune": {"task": "checkin.push_prune", "schedule": timedelta(hours=1)},
    "one-time-prune": {"task": "checkin.one_time_prune", "schedule": timedelta(hours=1)},
    "series-extend": {"task": "appointments.series_extend", "schedule": timedelta(hours=6)},
    # Hourly, not daily: the day ends at another hour in each clinic's zone.
    "follow-ups-overdue": {"task": "followups.overdue_mark", "schedule": timedelta(hours=1)},
    "follow-ups-escalate": {"task": "followups.escalate", "schedule": timedelta(hours=1)},
    "invitations-expire": {
        "task": "followups.invitations_expire",
        "schedule": timedelta(minutes=10),
    },
    "offers-send": {"task": "followups.offers_send_due", "schedule": timedelta(minutes=1)},
    "offers-expire": {"task": "followups.offers_expire", "schedule": timedelta(minutes=1)},
    "waitlist-expire": {"task": "followups.waitlist_expire", "schedule": timedelta(hours=1)},
    "no-shows": {"task": "appointments.no_shows_mark", "schedule": timedelta(minutes=5)},
}

# --- Identity ---------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.backends.EmailOrPhoneBackend",
    "guardian.backends.ObjectPermissionBackend",
]
# The email is unique without regard to case, by a constraint that the check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ANONYMOUS_USER_NAME = None  # guardian: nobody has object permissions without signing in
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "start"
LOGOUT_REDIRECT_URL = "home"
ACCESS_TOKEN_LIFETIME = timedelta(minutes=ENV.access_token_minutes)
REFRESH_TOKEN_LIFETIME = timedelta(days=ENV.refresh_token_days)

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "core.views.csrf_failure"
if not DEBUG:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = ENV.secure_ssl
    SECURE_SSL_REDIRECT = ENV.secure_ssl
    SECURE_HSTS_SECONDS = 31_536_000 if ENV.secure_ssl else 0
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = ENV.secure_ssl
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if ENV.trusted_proxies else None
    SECURE_REDIRECT_EXEMPT = [r"^health(/detailed)?$"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
#: The back office's theme is driven by Alpine.js, which evaluates its attributes, and sets its
#: colours in a style element. Scripts still come from our own files alone.
BACK_OFFICE_CONTENT_SECURITY_POLICY = (
    f"{CONTENT_SECURITY_POLICY}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
)
TRUSTED_PROXIES = ENV.trusted_proxies

# --- Back office ------------------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Kairos",
    "SITE_HEADER": "Kairos",
    "SITE_SUBHEADER": "backoffice.navigation.working_in",
    "SITE_DROPDOWN": "backoffice.navigation.switch",
    "SITE_URL": "/",
    "SITE_SYMBOL": "event_available",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "backoffice.navigation.mark"}
    ],
    "SHOW_HISTORY": "backoffice.navigation.may_see_history",
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["backoffice.navigation.stylesheet"],
    "SIDEBAR": {"navigation": "backoffice.navigation.navigation"},
    "COLORS": {
        "primary": {
            "50": "oklch(97.7% .012 195)",
            "100": "oklch(94.4% .028 195)",
            "200": "oklch(89% .052 195)",
            "300": "oklch(81% .082 195)",
            "400": "oklch(70% .098 195)",
            "500": "oklch(58% .094 195)",
            "600": "oklch(47.5% .082 195)",
            "700": "oklch(41% .07 195)",
            "800": "oklch(35.5% .058 195)",
            "900": "oklch(31% .048 195)",
            "950": "oklch(22% .036 195)",
        }
    },
}

TRANSFER_MAX_BYTES = ENV.transfer_max_mb << 20
TRANSFER_MAX_LINES = 1_000_000
#: Longer files are worked on by Celery, with a progress bar.
TRANSFER_REQUEST_LINES = 2000
TRANSFER_KEEP_DAYS = ENV.transfer_keep_days

# --- API --------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clinics.api.authentication.BearerAuthentication",
        "clinics.api.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["core.api.permissions.SignedIn"],
    "DEFAULT_RENDERER_CLASSES": ["core.api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsing.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.KeysetPagination",
    "DEFAULT_SCHEMA_CLASS": "core.api.schema.KairosSchema",
    "EXCEPTION_HANDLER": "core.api.problems.exception_handler",
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.api.rendering.JSONNegotiation",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": ["core.api.rendering.JSONRenderer"],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Kairos",
    "DESCRIPTION": (
        "Appointments for many clinics. Errors are RFC 9457 problem documents with a `code`; "
        "lists are cursor-paginated; creating POSTs take an `Idempotency-Key`; single resources "
        "have an `ETag` that `If-Match` guards."
    ),
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": True},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.api.schema.add_problem_responses",
        "core.api.schema.drop_trailing_slashes",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AppointmentStatus": "appointments.models.AppointmentStatus",
        "AppointmentType": "clinics.models.VisitMode",
        "DeviceKind": "checkin.models.DeviceKind",
        "KindEnum": "clinics.models.ExceptionKind",
        "PriorityEnum": "appointments.models.Priority",
        "ScanOutcome": "checkin.models.Outcome",
        "ContactOutcome": "followups.models.ContactOutcome",
        "SeriesStatus": "appointments.models.SeriesStatus",
        "FollowUpPlanStatus": "followups.models.PlanStatus",
        "InvitationStatus": "followups.models.InvitationStatus",
        "WaitlistStatus": "followups.models.WaitlistStatus",
        "OfferStatus": "followups.models.OfferStatus",
        "ErrorCode": "core.errors.ErrorCode",
    },
}
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = ENV.max_body_kb * 1024
IDEMPOTENCY_LIFETIME = timedelta(hours=24)
OUTBOX_KICK = ENV.outbox_kick
# Requests a minute for one user (or, signed out, one address), by class of operation.
RATE_LIMITS = {
    name: max(1, round(limit * ENV.rate_limit_scale))
    for name, limit in {
        "read": 3000,
        "write": 1500,
        "search": 1200,
        "public": 300,
        "sign_in": 10,
        "guest": 20,
        "pairing": 10,
        "scan": 60,
        "scan_device": 600,
        "slowed": 6,
        "one_time": 20,
        "address": 12_000,
        "clinic": 30_000,
    }.items()
}

# --- Messages to people ---------------------------------------------------------------------------
#: The address under which patients reach us, for links in messages that jobs send.
PUBLIC_URL = ENV.public_url
SMS_URL = ENV.sms_url
SMS_TOKEN = ENV.sms_token.get_secret_value()
SMS_SENDER = ENV.sms_sender
VAPID_PRIVATE_KEY = ENV.vapid_private_key.get_secret_value()
VAPID_SUBJECT = ENV.vapid_subject
PUSH_HOSTS = ENV.push_hosts
FCM_CREDENTIALS = ENV.fcm_credentials.get_secret_value()
FCM_URL = ENV.fcm_url
FCM_SCOPE = ENV.fcm_scope

# --- Language and time --------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español"), ("hi", "हिन्दी"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
FORMAT_MODULE_PATH = ["config.formats"]

# --- Files ------------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = None if DEBUG else BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG  # an edited file is served as it is
if not DEBUG:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {
            "BACKEND": "core.staticfiles.StaticFiles",
        },
    }

LOGGING_CONFIG = None
logging_config(level=ENV.log_level, fmt="console" if DEBUG else ENV.log_format)
