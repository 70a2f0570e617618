"""Whether a server may be reached by others the way it is set."""

import ssl
from contextlib import closing

from livemood.errors import UsageError
from livemood.server.access.policy import load_policy
from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.interface import TokenStore
from livemood.server.storage.postgresql.opening import is_loopback, open_database
from livemood.server.storage.tokens import Tokens


def is_public(settings: ServeSettings) -> bool:
    """Whether others than this machine's users may reach the server."""
    return not is_loopback(settings.host) or bool(settings.hosts)


def check_settings(settings: ServeSettings) -> None:
    """Raise `LivemoodError` for what can be known to be wrong before a model is loaded."""
    load_policy(settings.policy)
    with closing(open_database(settings.data, settings.database)) as database:
        check_exposure(settings, Tokens(database))


def check_exposure(settings: ServeSettings, tokens: TokenStore) -> None:
    """Raise `UsageError` if others could listen in, or come in."""
    if (settings.cert is None) != (settings.key is None):
        raise UsageError("TLS needs both: give --cert and --key")
    if settings.cert:
        _check_certificate(settings)
    if not is_loopback(settings.rtp.host) and not tokens.any:
        raise UsageError(
            f"calls would be received at {settings.rtp.host} and nobody asked for a token: "
            "create one with livemood token create, or keep rtp.host to 127.0.0.1"
        )
    if not is_public(settings):
        return
    if not tokens.any:
        raise UsageError(
            f"others could reach {settings.host} and nobody would be asked for a token: create one "
            "with livemood token create, or keep to --host 127.0.0.1"
        )
    if not (settings.cert or settings.insecure_proxy or is_loopback(settings.host)):
        raise UsageError(
            f"others could listen in on the way to {settings.host}: give --cert and --key, or "
            "--insecure-proxy where a reverse proxy in front does TLS"
        )


def _check_certificate(settings: ServeSettings) -> None:
    assert settings.cert is not None  # noqa: S101 - checked by the caller
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.cert, settings.key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        why = error if not isinstance(error, FileNotFoundError) else "no such file"
        raise UsageError(
            f"the certificate {settings.cert} and its key {settings.key} cannot be used: {why}"
        ) from None


def _no_password() -> str:
    raise ValueError("the key needs a password: store it without one, readable to the server alone")
