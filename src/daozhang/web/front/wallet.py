"""The wallet: what a person has here, and every movement that made it so; on the page, or as a file to take along."""

import csv
import io
from typing import TYPE_CHECKING, Any

from litestar import Request, Response, get

from daozhang import clock, ids
from daozhang.money import yuan
from daozhang.web import sessions
from daozhang.web.front import name
from daozhang.web.front.paging import before_of
from daozhang.web.pages import house_of, locale_of, page

if TYPE_CHECKING:
    from uuid import UUID

    from daozhang.ledger.statement import Only

_LINES = 20
_FILE_LINES = 5_000
_PAGE = 100


@get("/wallet")
async def wallet(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Balance and statement, twenty lines a page. `?only=in` or `out` shows what came in, or went out."""
    session, house = await sessions.require(request), house_of(request)
    before, only = before_of(request), _only(request)
    lines = await house.desk.statement(session.user_id, before, _LINES + 1, only)
    return await page(
        request,
        "front/wallet.html",
        here="wallet",
        session=session,
        wallet=await house.desk.wallet(session.user_id),
        soon=name.soon_told(request, (await house.desk.quote(session.user_id)).verdicts),
        lines=lines[:_LINES],
        more=len(lines) > _LINES,
        paged=before is not None,
        next_before=ids.text26(lines[_LINES - 1].id) if len(lines) > _LINES else "",
        only=only,
    )


@get("/wallet/statement.csv")
async def statement(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The statement as CSV (UTF-8 with its mark, so that spreadsheets read it), the newest five thousand lines."""
    session, reader = await sessions.require(request), locale_of(request)
    file = io.StringIO()
    write = csv.writer(file, lineterminator="\r\n")
    write.writerow([reader.t(f"statement_file.{name}") for name in ("at", "what", "amount", "after", "order")])
    before: UUID | None = None
    for _ in range(_FILE_LINES // _PAGE):
        lines = await house_of(request).desk.statement(session.user_id, before, _PAGE, _only(request))
        for line in lines:
            what = reader.either("statement." + line.what.replace(".", "_"), "statement.other")
            at = line.at.astimezone(clock.SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
            write.writerow(
                [at, what, yuan(line.amount_fen, grouped=False), yuan(line.balance_after_fen, grouped=False), line.order_shown]
            )
        if len(lines) < _PAGE:
            break
        before = lines[-1].id
    name = f"daozhang-{clock.business_day(clock.now()):%Y%m%d}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(file.getvalue().encode("utf-8-sig"), media_type="text/csv; charset=utf-8", headers=headers)


def _only(request: Request[Any, Any, Any]) -> "Only":
    asked = request.query_params.get("only", "")
    return "in" if asked == "in" else "out" if asked == "out" else ""


handlers = [wallet, statement]
