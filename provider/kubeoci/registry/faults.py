# SPDX-License-Identifier: Apache-2.0
"""Why no answer came from a registry, in the words of the person who must mend it."""

import ssl

from kubeoci.errors import RegistryError
from kubeoci.registry.answer import visible
from kubeoci.registry.connections import Origin

_CERTIFICATE_ADVICE = {  # by OpenSSL's codes
    10: "the operator of the registry must renew it",
    62: "check `url`: the certificate is for another name",
    64: "check `url`: the certificate is for another address",
}


class Unreachable(RegistryError):  # noqa: N818 - named by what is the case
    """No answer (`registry.unreachable`). `passing`: another try may get one."""

    def __init__(self, code: str, what: str, *, where: str = "", advice: str = "", passing: bool = True) -> None:
        super().__init__(code, what, where=where, advice=advice)
        self.passing = passing


def unreachable(method: str, url: str, error: Exception) -> Unreachable:
    """The `Unreachable` that stands for an error of urllib3."""
    from urllib3 import exceptions  # noqa: PLC0415 - loaded by now

    origin = Origin.of(url)
    host = f"{origin.host}:{origin.port}"
    passing = False
    if isinstance(error, exceptions.SSLError):
        what, advice = _tls(host, error)
    elif isinstance(error, exceptions.ProxyError) or "Tunnel connection failed" in str(_innermost(error)):
        what = f"no way to {host} through the proxy: {_said(error)}"
        advice = "check `proxy`, or HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
        passing = "failed: 4" not in str(_innermost(error))  # who is refused once stays so
    elif isinstance(error, exceptions.NameResolutionError):
        what, advice = f"no such host: {origin.host}", "check `url` and the name servers"
    else:
        passing = True
        what, advice = _network(host, error)
    where = f"{method} {visible(url)}"
    return Unreachable("registry.unreachable", what, where=where, advice=advice, passing=passing)


def _tls(host: str, error: Exception) -> tuple[str, str]:
    if "wrong version number" in str(error).lower().replace("_", " "):
        return f"{host} does not speak TLS", "set `insecure: true` for a registry on plain HTTP"
    if "certificate_required" in str(error).lower():
        return f"{host} wants to see a client certificate", "set `clientCertificate`"
    cause = _innermost(error)
    code = cause.verify_code if isinstance(cause, ssl.SSLCertVerificationError) else 0
    advice = _CERTIFICATE_ADVICE.get(code, "set `ca` to the PEM text of the authority that the registry uses")
    return f"no TLS connection to {host}: {_reason(error)}", advice


def _network(host: str, error: Exception) -> tuple[str, str]:
    from urllib3 import exceptions  # noqa: PLC0415 - loaded by now

    if isinstance(error, exceptions.NewConnectionError):
        return f"no connection to {host}: {_reason(error)}", "check `url`, its port, and whether the registry runs"
    if isinstance(error, exceptions.TimeoutError):
        return f"{host} did not answer in time", "check the network and what filters it"
    return f"the connection to {host} broke: {_reason(error)}", "run again; if it stays, ask the registry's operator"


def _reason(error: BaseException) -> str:
    """The innermost plain reason of an error of urllib3: `Connection refused`."""
    inner = _innermost(error)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(inner).__name__


def _said(error: BaseException) -> str:
    """The reason, or what a proxy answered to `CONNECT`: `407 Proxy Authentication Required`."""
    text = str(_innermost(error)).partition("Tunnel connection failed: ")[2]
    return "".join(char for char in text if char.isprintable())[:100] or _reason(error)


def _innermost(error: BaseException) -> BaseException:
    while following := error.__cause__ or error.__context__:
        error = following
    return error
