"""The environment, typed and strict: a wrong value stops the start with a clear message.

Every variable may be given as ``NAME_FILE`` instead: a path whose content is the value (Docker and
systemd secrets). With ``make run`` up, a bare command in another shell finds the running services
through ``<DATA_DIR>/runtime.env``; nothing has to be exported in development.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import orjson
from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-with"

CommaList = Annotated[list[str], NoDecode]


class Environment(BaseSettings):
    """What the installation may set. Names are the variables', in lower case."""

    model_config = SettingsConfigDict(extra="ignore")

    debug: bool = False
    secret_key: SecretStr = SecretStr("")
    secret_key_fallbacks: CommaList = []
    allowed_hosts: CommaList = []
    csrf_trusted_origins: CommaList = []
    data_dir: Path = BASE_DIR / ".data"

    database_url: SecretStr = SecretStr("")
    database_owner_url: SecretStr = SecretStr("")
    database_role: str = "kairos_app"
    database_pool: bool = False
    database_pool_size: int = Field(default=10, ge=1, le=200)
    redis_url: SecretStr = SecretStr("")

    trusted_proxies: int = Field(default=0, ge=0, le=5)
    secure_ssl: bool = True
    access_token_minutes: int = Field(default=10, ge=5, le=15)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    rate_limit_scale: float = Field(default=1.0, gt=0)
    max_body_kb: int = Field(default=1024, ge=16)
    transfer_max_mb: int = Field(default=64, ge=1, le=1024)
    transfer_keep_days: int = Field(default=30, ge=1, le=365)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    outbox_kick: bool = True

    public_url: str = ""
    sms_url: str = ""
    sms_token: SecretStr = SecretStr("")
    sms_sender: str = Field(default="", max_length=20)
    vapid_private_key: SecretStr = SecretStr("")
    vapid_subject: str = ""
    push_hosts: CommaList = []
    fcm_credentials: SecretStr = SecretStr("")
    fcm_url: str = ""
    fcm_scope: str = ""

    @field_validator(
        "allowed_hosts", "csrf_trusted_origins", "secret_key_fallbacks", "push_hosts", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("sms_url", "fcm_url", "public_url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        if value and not _is_safe(value):
            raise ValueError("must be an https:// address (http:// only to this machine)")
        return value.rstrip("/")

    @field_validator("vapid_private_key")
    @classmethod
    def _push_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not re.fullmatch(
            r"[A-Za-z0-9_-]{43}=?", value.get_secret_value()
        ):
            raise ValueError("must be 32 bytes in base64url, as `manage.py make_push_key` prints")
        return value

    @field_validator("vapid_subject")
    @classmethod
    def _push_contact(cls, value: str) -> str:
        if value and not value.startswith(("mailto:", "https://")):
            raise ValueError("must be a mailto: or https:// address")
        return value

    @field_validator("fcm_credentials")
    @classmethod
    def _service_account(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value():
            return value
        try:
            account = orjson.loads(value.get_secret_value())
        except orjson.JSONDecodeError:
            account = None
        if not isinstance(account, dict) or not all(
            isinstance(account.get(name), str)
            for name in ("client_email", "private_key", "token_uri")
        ):
            raise ValueError("must be the JSON of a service account")
        if not _is_safe(account["token_uri"]):
            raise ValueError("its token_uri must be an https:// address")
        return value

    @model_validator(mode="after")
    def _what_belongs_together(self) -> "Environment":
        if self.sms_url and not self.sms_token.get_secret_value():
            raise ValueError("SMS_URL needs SMS_TOKEN")
        if self.vapid_private_key.get_secret_value() and not self.vapid_subject:
            raise ValueError("VAPID_PRIVATE_KEY needs VAPID_SUBJECT")
        if self.fcm_credentials.get_secret_value() and not (self.fcm_url and self.fcm_scope):
            raise ValueError("FCM_CREDENTIALS needs FCM_URL and FCM_SCOPE")
        return self

    @model_validator(mode="after")
    def _production_is_complete(self) -> "Environment":
        if self.debug:
            if not self.secret_key.get_secret_value():
                self.secret_key = SecretStr(DEVELOPMENT_KEY)
            self.allowed_hosts = self.allowed_hosts or ["localhost", "127.0.0.1", "[::1]"]
            return self
        missing = [
            name.upper()
            for name in ("secret_key", "allowed_hosts", "database_url", "redis_url")
            if not (
                value.get_secret_value()
                if isinstance(value := getattr(self, name), SecretStr)
                else value
            )
        ]
        if missing:
            raise ValueError(
                f"production needs {', '.join(missing)} (or set DEBUG=true for development)"
            )
        if len(self.secret_key.get_secret_value()) < 50:
            raise ValueError("SECRET_KEY must have at least 50 characters")
        return self


def _is_safe(url: str) -> bool:
    """Whether secrets may travel there: encrypted, or not leaving this machine."""
    try:
        parts = urlsplit(url)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    except ValueError:
        return False
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _read_secret_files() -> dict[str, Any]:
    """Values given as ``NAME_FILE``. Raises ValueError when both are set or a file is gone."""
    values: dict[str, Any] = {}
    for field in Environment.model_fields:
        path = os.environ.get(f"{field.upper()}_FILE")
        if path is None:
            continue
        if field.upper() in os.environ:
            raise ValueError(f"both {field.upper()} and {field.upper()}_FILE are set")
        try:
            values[field] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"{field.upper()}_FILE cannot be read: {error}") from error
    return values


def load() -> Environment:
    """The checked environment. Raises SystemExit with one readable line a problem."""
    try:
        values = _read_secret_files()
        if "DATABASE_URL" not in os.environ and "database_url" not in values:
            runtime = Path(os.environ.get("DATA_DIR", BASE_DIR / ".data")) / "runtime.env"
            if runtime.is_file():
                for name, value in dotenv_values(runtime).items():
                    if name not in os.environ and value is not None:
                        values.setdefault(name.lower(), value)
        return Environment(**values)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, item['loc'])).upper() or 'ENVIRONMENT'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SystemExit("Kairos cannot start:\n" + "\n".join(lines)) from None
    except ValueError as error:
        raise SystemExit(f"Kairos cannot start: {error}") from None
