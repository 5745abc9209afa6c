"""The operators' page as an aiohttp application: routes, log-in, and what goes wrong."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

import asyncpg
from aiohttp import web

from console import language
from console.access import Permission, may
from console.failures import told
from console.gate import COOKIE, Gate, NotAllowedError, NotLoggedInError, StaleFormError, Visitor, keep_cookie
from console.login.sessions import OperatorSessions
from console.login.users import UsersFile, UsersFileError
from console.masking import mask
from console.pages import DOWNLOADS, FORMS, MENU, PAGES
from console.rendering import View, document, html_response, json_response, link
from console.routes import Asked, AskedWronglyError, Done, Download, Form, Page
from console.security import HEADERS, NOT_KEPT, is_own, local_path
from console.static import StaticFile, static_files
from console.watch import Watch
from console.watcher import Watcher
from storage.database import borrowed, first_line, open_pool
from workers import logs
from workers.settings.model import Settings, SettingsError

LOG = logs.get(__name__)

POOL_SIZE = 8
LONGEST_FORM = 4 * 1024 * 1024
"""A message may have 1 MiB, and is escaped on its way."""
A_YEAR_S = 365 * 86400

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """Everything that is served.

    Args:
        settings: of the console.
        reader: sessions of postpay_auditor, read-only.
        actor: sessions of postpay_ops.
        watch: what is seen of broker and workers.
    """

    def __init__(self, settings: Settings, reader: asyncpg.Pool, actor: asyncpg.Pool, watch: Watch) -> None:
        self._settings = settings
        self._reader = reader
        self._actor = actor
        self._watch = watch
        self._gate = Gate(settings, UsersFile(settings.console.users_file), OperatorSessions())

    def application(self) -> web.Application:
        """The routes; each page, form and download names its permission."""
        application = web.Application(middlewares=[self._answer], client_max_size=LONGEST_FORM)
        for page in PAGES:
            application.router.add_get(page.path, partial(self._page, page, as_json=False))
            application.router.add_get(json_path(page.path), partial(self._page, page, as_json=True))
        for form in FORMS:
            application.router.add_post(form.path, partial(self._form, form, as_json=False))
            application.router.add_post(json_path(form.path), partial(self._form, form, as_json=True))
        for download in DOWNLOADS:
            application.router.add_get(download.path, partial(self._download, download))
        for file in static_files().values():
            application.router.add_get(file.address, partial(_static, file))
        application.add_routes(
            [
                web.get("/login", self._login_page),
                web.post("/login", self._log_in),
                web.post("/logout", self._log_out),
                web.get("/language", _choose_language),
                web.get("/session.json", self._session),
                web.get("/livez", _livez),
            ]
        )
        return application

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn whatever went wrong into a page, or JSON, that says so; and give every answer its headers."""
        try:
            response = await handler(request)
        except NotLoggedInError:
            response = self._not_logged_in(request)
        except Exception as error:  # noqa: BLE001  told to who asked; what is a defect goes to the log
            response = self._wrong(request, error)
        response.headers.update({name: value for name, value in HEADERS.items() if name not in response.headers})
        return response

    def _not_logged_in(self, request: web.Request) -> web.Response:
        if wants_json(request):
            return json_response({"error": "not logged in"}, 401)
        if request.headers.get("HX-Request"):  # a page that asks by itself: the browser is to go to the log-in
            return web.Response(status=401, headers={"HX-Redirect": link("/login", to=request.path_qs)})
        return web.Response(status=303, headers={"Location": link("/login", to=request.path_qs)})

    def _wrong(self, request: web.Request, error: Exception) -> web.Response:
        status, kind, detail = told(error)
        if status >= 500:  # noqa: PLR2004
            LOG.error("a page could not be shown", error=first_line(error), exc_info=status == 500)  # noqa: PLR2004
        if wants_json(request):
            return json_response({"error": kind, "detail": detail}, status)
        view = self._view(request, self._visitor_if_any(request))
        return html_response("wrong", {"kind": kind, "detail": detail}, view, status)

    async def _page(self, page: Page, request: web.Request, *, as_json: bool) -> web.StreamResponse:
        visitor = self._gate.admit(request, page.permission)
        value = await self._read(page, request, visitor)
        if value is None:
            raise web.HTTPNotFound(text=request.path_qs)
        shown, is_masked = self._masked(request, visitor, document(value))
        if as_json:
            return _with_session(request, json_response(shown), visitor)
        view = self._view(request, visitor, page=page, is_masked=is_masked)
        return _with_session(request, html_response(page.name, shown, view), visitor)

    async def _read(self, page: Page, request: web.Request, visitor: Visitor) -> Mapping[str, Any] | None:
        async with borrowed(self._reader) as connection:
            return await page.read(Asked(connection, dict(request.query), self._settings, visitor.user, self._watch))

    async def _form(self, form: Form, request: web.Request, *, as_json: bool) -> web.StreamResponse:
        visitor = self._gate.admit(request, form.permission)
        fields = await _fields(request)
        self._gate.require_own_form(request, visitor, fields)
        query = {**request.query, **fields}
        async with borrowed(self._actor) as connection:
            done = await form.act(Asked(connection, query, self._settings, visitor.user, self._watch))
        return self._done(request, visitor, done, as_json=as_json)

    def _done(self, request: web.Request, visitor: Visitor, done: Done, *, as_json: bool) -> web.StreamResponse:
        if done.unmasks is not None:
            path, _, query = done.unmasks.partition("?")
            self._gate.sessions.unmask(visitor.session, address(path, parse_qsl(query, keep_blank_values=True)))
        shown, is_masked = self._masked(request, visitor, document(done.value))
        if as_json:
            return _with_session(request, json_response(shown), visitor)
        if done.template is not None:
            view = self._view(request, visitor, is_masked=is_masked)
            return _with_session(request, html_response(done.template, shown, view), visitor)
        visitor.session.notice = done.notice
        return web.Response(status=303, headers={"Location": done.to})

    async def _download(self, download: Download, request: web.Request) -> web.StreamResponse:
        visitor = self._gate.admit(request, download.permission)
        if not may(visitor.user.role, Permission.SEE_IDS):
            raise NotAllowedError(Permission.SEE_IDS)
        response = web.StreamResponse(headers={"Cache-Control": NOT_KEPT, **HEADERS})
        response.content_type = download.content_type
        response.headers["Content-Disposition"] = f'attachment; filename="{download.filename}"'
        async with borrowed(self._reader) as connection:
            asked = Asked(connection, dict(request.query), self._settings, visitor.user, self._watch)
            await response.prepare(request)
            async for piece in download.write(asked):
                await response.write(piece)
        await response.write_eof()
        return response

    def _masked(self, request: web.Request, visitor: Visitor, shown: Any) -> tuple[Any, bool]:
        if may(visitor.user.role, Permission.SEE_IDS):
            return shown, False
        if self._gate.sessions.is_unmasked(visitor.session, address_of(request)):
            return shown, False
        return mask(shown), True

    def _view(
        self, request: web.Request, visitor: Visitor | None, *, page: Page | None = None, is_masked: bool = False
    ) -> View:
        chosen = language.wanted(request.cookies.get(language.COOKIE), request.headers.get("Accept-Language", ""))
        if visitor is None:
            return View(chosen, request.path_qs)
        notice, visitor.session.notice = visitor.session.notice, None
        return View(
            language=chosen,
            address=address_of(request),
            user=visitor.user,
            session=visitor.session,
            menu=[
                (each.name, each.path, page is not None and each.name == page.name)
                for each in MENU
                if may(visitor.user.role, each.permission)
            ],
            is_masked=is_masked,
            is_live=page is not None and page.is_live,
            notice=notice,
        )

    def _visitor_if_any(self, request: web.Request) -> Visitor | None:
        with contextlib.suppress(NotLoggedInError, UsersFileError):
            return self._gate.visitor(request)
        return None

    async def _login_page(self, request: web.Request) -> web.StreamResponse:
        return self._login_form(request, local_path(request.query.get("to")))

    def _login_form(
        self, request: web.Request, to: str, wrong: str | None = None, wait_s: float = 0.0, status: int = 200
    ) -> web.Response:
        value = {"to": to, "wrong": wrong, "wait_s": wait_s, "by_proxy": self._settings.console.proxy_header}
        return html_response("login", value, self._view(request, None), status)

    async def _log_in(self, request: web.Request) -> web.StreamResponse:
        fields = await _fields(request)
        to = local_path(fields.get("to"))
        if not is_own(request):
            raise StaleFormError
        begun = await self._gate.log_in(fields.get("name", ""), fields.get("password", ""), request.remote or "")
        if isinstance(begun, float):
            LOG.warning("a log-in was refused", host=request.remote)
            if wants_json(request):
                return json_response({"error": "refused", "wait_seconds": begun}, 429 if begun else 401)
            return self._login_form(request, to, "wait" if begun else "wrong", begun, 429 if begun else 401)
        response = web.Response(status=303, headers={"Location": to})
        keep_cookie(request, response, begun)
        return response

    async def _log_out(self, request: web.Request) -> web.StreamResponse:
        visitor = self._gate.visitor(request)
        self._gate.require_own_form(request, visitor, await _fields(request))
        self._gate.sessions.end(visitor.session)
        response = web.Response(status=303, headers={"Location": "/login"})
        response.del_cookie(COOKIE, path="/")
        return response

    async def _session(self, request: web.Request) -> web.StreamResponse:
        """Who is logged in, and the token that forms sent as JSON need in a header."""
        visitor = self._gate.visitor(request)
        told = {"name": visitor.user.name, "role": visitor.user.role, "csrf": visitor.session.csrf}
        return _with_session(request, json_response(told), visitor)


def json_path(path: str) -> str:
    """Where the JSON of a page is."""
    return "/now.json" if path == "/" else f"{path}.json"


def address_of(request: web.Request) -> str:
    """The address of the page that a request is about, as HTML; what is unmasked is unmasked for its JSON too."""
    path = "/" if request.path == json_path("/") else request.path.removesuffix(".json")
    return address(path, [*request.query.items()])


def address(path: str, query: Sequence[tuple[str, str]]) -> str:
    """A page's address in the form in which it is compared and led to, however its query was spelled."""
    return f"{path}?{urlencode(query, errors='surrogatepass')}" if query else path


def wants_json(request: web.Request) -> bool:
    """Whether a program asks."""
    return request.path.endswith(".json")


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Serve the page; gives its address.

    Raises:
        SettingsError: the port is taken, or the address is not this machine's.
        UsersFileError: the file of users can't be used.
        Exception: one of the database's, when it can't be reached or does not give the roles.
    """
    UsersFile(settings.console.users_file).users()
    static_files()
    async with _pool(settings, for_writing=False) as reader, _pool(settings, for_writing=True) as actor:
        watch = Watch()
        runner = web.AppRunner(Site(settings, reader, actor, watch).application(), access_log=None)
        await runner.setup()
        looking = asyncio.create_task(Watcher(settings, reader, watch).keep_looking(), name="watcher")
        try:
            yield await _listen(settings, runner)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await runner.cleanup()


@asynccontextmanager
async def _pool(settings: Settings, *, for_writing: bool) -> AsyncIterator[asyncpg.Pool]:
    own = settings.console.reader_dsn
    uses_own = own is not None and not for_writing
    pool = await open_pool(
        own if own is not None and uses_own else settings.postgres.dsn,
        application_name="postpay console",
        max_size=POOL_SIZE,
        password=None if uses_own else settings.postgres.read_password,
        for_writing=for_writing,
        role="postpay_ops" if for_writing else "postpay_auditor",
    )
    try:
        yield pool
    finally:
        pool.terminate()


async def _listen(settings: Settings, runner: web.AppRunner) -> str:
    host = settings.console.host
    try:
        await web.TCPSite(runner, host, settings.console.port).start()
    except OSError as error:
        raise SettingsError(
            f"POSTPAY_CONSOLE__PORT: expected an address that is free, got {host}:{settings.console.port}"
            f" ({error.strerror})"
        ) from error
    return f"http://{host}:{runner.addresses[0][1]}"


async def _fields(request: web.Request) -> dict[str, str]:
    """The fields of a form, or of a JSON object, as texts; a file's are its content.

    Raises:
        AskedWronglyError: it is neither.
    """
    if request.content_type == "application/json":
        try:
            given = await request.json()
        except ValueError as error:
            raise AskedWronglyError("expected a JSON object") from error
        if not isinstance(given, dict):
            raise AskedWronglyError(f"expected a JSON object, got {type(given).__name__}")
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    fields = {}
    for name, value in (await request.post()).items():
        fields[name] = (
            value.file.read().decode(errors="surrogateescape") if isinstance(value, web.FileField) else str(value)
        )
    return fields


def _with_session(request: web.Request, response: web.Response, visitor: Visitor) -> web.Response:
    keep_cookie(request, response, visitor.session)
    return response


async def _static(file: StaticFile, _request: web.Request) -> web.Response:
    return web.Response(
        body=file.body,
        content_type=file.content_type,
        headers={"Cache-Control": f"public, max-age={A_YEAR_S}, immutable"},
    )


async def _choose_language(request: web.Request) -> web.Response:
    response = web.Response(status=303, headers={"Location": local_path(request.query.get("to"))})
    chosen = request.query.get("tag", "")
    if chosen in language.LANGUAGES:
        response.set_cookie(language.COOKIE, chosen, max_age=A_YEAR_S, samesite="Lax", httponly=True, path="/")
    return response


async def _livez(_request: web.Request) -> web.Response:
    """Say that the process and its event loop live."""
    return web.json_response({"alive": True})
