"""What browsers are told to allow, and which requests count as the user's own.

Source: docs/console.md, Security.
"""

from urllib.parse import urlsplit

from aiohttp import web

HEADERS = {
    # Scripts and styles are files of ours, so nothing that gets into a page runs or is drawn.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with none, forms would come from the origin `null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
NOT_KEPT = "no-store"
"""Pages tell of people: no cache keeps them."""


def is_own(request: web.Request) -> bool:
    """Whether a request that changes something was made by a page of this address, or by no browser at all."""
    fetched_from = request.headers.get("Sec-Fetch-Site")
    if fetched_from is not None:
        return fetched_from in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def is_secure(request: web.Request) -> bool:
    """Whether the browser speaks TLS, with us or with the proxy before us: cookies are for TLS only then."""
    return request.secure or request.headers.get("X-Forwarded-Proto", "").lower() == "https"


def local_path(text: str | None) -> str:
    """An address of this page to go on to; the first page where it leads anywhere else."""
    if text is None or not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable():
        return "/"
    return text
