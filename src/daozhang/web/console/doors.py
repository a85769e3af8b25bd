"""Every door of the desk, behind one guard."""

from litestar import Router

from daozhang.reasons import Refusal
from daozhang.web.console import access, case, entrance, find, money, offers, order, queue, regions, register, rules, user, watch

HANDLERS = (
    *entrance.handlers, *queue.handlers, *case.handlers, *order.handlers, *find.handlers, *user.handlers, *rules.handlers,
    *money.handlers, *offers.handlers, *regions.handlers, *watch.handlers, *register.handlers,
)  # fmt: skip


def router() -> Router:
    """The desk below /desk: each door with its permission, and the desk's own way of telling a refusal."""
    return Router("/desk", route_handlers=list(HANDLERS), guards=[access.guard], exception_handlers={Refusal: access.refused})
