"""Whether Google's service can be asked at all: credentials and a project, looked up before anything heavy starts."""

from __future__ import annotations

import os

from vqe_prune.errors import InputError, first_line

GOOGLE = "google"

LOG_IN = "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
NEEDS_PROJECT = "device=google needs a project: give device.project=ID or set GOOGLE_CLOUD_PROJECT"


def check_credentials(project: str | None) -> None:
    """Raise InputError where this computer holds no credentials of Google's, or no project; nothing is sent to it.

    Args:
        project: Id that was given; None takes GOOGLE_CLOUD_PROJECT or the default project of the credentials.

    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        _, default = google.auth.default()
    except DefaultCredentialsError as error:
        raise InputError(no_credentials(error)) from error
    if not (project or os.environ.get("GOOGLE_CLOUD_PROJECT") or default):
        raise InputError(NEEDS_PROJECT)


def no_credentials(error: Exception) -> str:
    """Return why there are none, and what to type."""
    reason = first_line(error).split(" To set up")[0].rstrip(".")
    return f"device=google finds no credentials ({reason}); {LOG_IN}"
