"""Contracts with hosted DRM services, whose secrets are none."""

from uuid import UUID

from store.drm_settings import AxinomAccess, DrmTodayAccess

TODAY = "a secret of today"
AXINOM = AxinomAccess(UUID(int=7), bytes(range(32)), {"widevine": "https://widevine.example/AcquireLicense"})
DRMTODAY = DrmTodayAccess(
    "kino",
    "key-1",
    bytes(range(32, 64)),
    (TODAY, "the one before it"),
    {"widevine": "https://lic.example"},
)
