"""Django's settings: every one that may vary is an environment variable, read here and nowhere else."""

import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from csp import constants as csp

from config.environment import (
    read_choice,
    read_database,
    read_directory,
    read_flag,
    read_integer,
    read_list,
    read_networks,
    read_path,
    read_secret_key,
    read_secrets_keys,
    read_text,
    read_time_zone,
)
from config.logs import logging_settings
from config.navigation import UNFOLD as UNFOLD

if sys.version_info < (3, 11):  # noqa: UP036 - told in a sentence, for an older Python
    sys.exit("Arabica needs Python 3.11 or later.")

BASE_DIR = Path(__file__).resolve().parent.parent

# Where it listens and what it keeps
HOST = read_text("HOST", "127.0.0.1")
PORT = read_integer("PORT", 8000, minimum=1, maximum=65535)
VAR_DIR = read_directory("VAR_DIR", BASE_DIR / "var")
DEBUG = read_flag("DEBUG")
DATABASES = {"default": read_database("DATABASE_URL", VAR_DIR / "arabica.sqlite3")}
EMBEDDED = not read_text("DATABASE_URL")
SECRET_KEY = read_secret_key("SECRET_KEY", VAR_DIR / "secret_key" if EMBEDDED else None)
SECRET_KEY_FALLBACKS = read_list("SECRET_KEY_FALLBACKS")
SECRETS_KEYS = read_secrets_keys("SECRETS_KEY", VAR_DIR / "secrets_key" if EMBEDDED else None)

# Who may reach it, and over what
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", f"127.0.0.1,localhost,{HOST}")
HTTPS = read_flag("HTTPS")
ALLOW_INSECURE_HTTP = read_flag("ALLOW_INSECURE_HTTP")
TRUSTED_PROXIES = read_networks("TRUSTED_PROXIES")
METRICS_ALLOWED_NETWORKS = read_networks("METRICS_ALLOWED_NETWORKS")
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")
SECURE_SSL_REDIRECT = HTTPS
# A redirect would drop the POST's body; the connector API refuses plain HTTP by itself.
SECURE_REDIRECT_EXEMPT = [r"^scheduler/", r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.error_pages.DiscreetFilter"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.SELF],
        # Alpine, which moves the admin's controls, compiles the expressions of its attributes.
        "script-src": [csp.SELF, csp.UNSAFE_EVAL],
        "style-src": [csp.SELF, csp.UNSAFE_INLINE],
        "img-src": [csp.SELF, "data:"],
        "object-src": [csp.NONE],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}
# A name of one's own: cookies of two programs on one host, but different ports, are mixed up. The
# prefix makes browsers refuse the cookie from anybody but this very host, over TLS.
COOKIE_PREFIX = "__Host-arabica" if HTTPS else "arabica"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}-session"
SESSION_COOKIE_AGE = 3600 * read_integer("SESSION_HOURS", 12, minimum=1, maximum=24 * 30)
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}-csrf"
CSRF_COOKIE_HTTPONLY = True  # pages read the token from their forms
CSRF_COOKIE_SAMESITE = "Lax"

# What it runs
PROCESS_MODULES = read_list("PROCESS_MODULES")
COMMANDS_DIR = read_path("COMMANDS_DIR", BASE_DIR / "commands")
WORKER_CONCURRENCY = read_integer("WORKER_CONCURRENCY", 2, minimum=1, maximum=256)
RUN_RETENTION_DAYS = read_integer("RUN_RETENTION_DAYS", 90, minimum=1, maximum=36_500)
LOG_RETENTION_DAYS = read_integer("LOG_RETENTION_DAYS", 30, minimum=1, maximum=36_500)
FIRE_RETENTION_DAYS = read_integer("FIRE_RETENTION_DAYS", 90, minimum=1, maximum=36_500)
AUDIT_RETENTION_DAYS = read_integer("AUDIT_RETENTION_DAYS", 730, minimum=1, maximum=36_500)
SHUTDOWN_GRACE = read_integer("SHUTDOWN_GRACE", 30, minimum=0, maximum=3600)

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "processes",
    "scheduler",
    "connector",
    "config",
]

MIDDLEWARE = [
    "connector.middleware.RequestIdMiddleware",
    "config.headers.ProtectiveHeaders",
    "config.postgresql.patience.PatienceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.admin_methods.AdminMethodsMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "connector.middleware.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

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
            ]
        },
    }
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# The ids of the audit's entries are ordered by time: that index serves dates too.
SIMPLE_HISTORY_DATE_INDEX = False
# Log-ins to the admin: config/lockouts.py. The connector API counts for itself.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "config.lockouts.find_address"
AXES_USERNAME_CALLABLE = "config.lockouts.find_name"
AXES_CLIENT_STR_CALLABLE = "config.lockouts.describe_attempt"
AXES_LOCKOUT_CALLABLE = "config.lockouts.answer_locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False  # its pages are config/lockout_admin.py
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = read_time_zone("TIME_ZONE", "UTC")

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Compressing takes half a minute and saves nothing on the same machine.
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

WHITENOISE_ALLOW_ALL_ORIGINS = False
# Maps are half of all bytes, and only debuggers ask for them; the others are compressed already.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ["map", "png", "jpg", "jpeg", "gif", "webp", "woff", "woff2"]

LOGGING = logging_settings(
    form=read_choice("LOG_FORMAT", "text", ("text", "json")),
    level=read_choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["connector.authentication.ConnectorAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "connector.exceptions.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Arabica connector API",
    "DESCRIPTION": "Start a process and ask for its status.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "PREPROCESSING_HOOKS": ["connector.documentation.list_canonical_paths"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "connector.documented_headers.complete_answers",
    ],
}

# Celery: messages are doorbells, the database row is the truth, so nothing here keeps a message safe.
CELERY_BROKER_URL = read_text(
    "CELERY_BROKER_URL", f"embedded:///{quote(str(VAR_DIR / 'broker.sqlite3'))}"
)
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = "shared"
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # without results there is no entry to clean them up
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A worker whose slots are all busy goes on answering; what is claimed is decided by the rows.
CELERY_WORKER_POOL_PUTLOCKS = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_TIMEOUT = 4
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BEAT_SCHEDULER = "scheduler.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 0.5
DJANGO_CELERY_BEAT_TZ_AWARE = True
