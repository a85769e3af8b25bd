"""The commands of goods: the shelf and its stock. Codes come from files, never from the command line."""

from pathlib import Path
from typing import Any

from cyclopts import App

from daozhang.cli.channel import content_of, on_database
from daozhang.cli.frame import Failed, app, say, say_json

goods = App(name="goods", help="Goods: what the shop sells, and its stock of codes.")
app.command(goods)


@goods.command
def add(name: str, price: str, /, *, goods_class: str = "game_card", source: str, json: bool = False) -> None:
    """Put a good on the shelf. It is not for sale until `goods sell`.

    Args:
        name: as buyers read it.
        price: yuan for one piece, such as 49.90.
        goods_class: game_card, game_topup, phone_topup, membership, voucher or software.
        source: where the shop gets it from, for the record.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf
    from daozhang.money import MalformedAmount, parse_yuan

    try:
        price_fen = parse_yuan(price)
    except MalformedAmount:
        raise Failed("the price is yuan with at most two decimals, such as 49.90") from None

    async def work(database: Any, _vault: Any, _settings: Any) -> int:
        return await shelf.add_good(database, 1, goods_class=goods_class, name=name, price_fen=price_fen, source=source)

    number = on_database(work)
    say_json(id=number) if json else say(f"good {number} added; fill its stock, then sell it")


@goods.command(name="list")
def list_goods(*, json: bool = False) -> None:
    """List the shelf.

    Args:
        json: end with one JSON line.
    """
    from daozhang.goods import shelf
    from daozhang.money import yuan

    rows = on_database(lambda database, _vault, _settings: shelf.shelf(database, 1))
    if json:
        say_json(goods=rows)
        return
    for row in rows:
        state = "on sale " if row.on_sale else "off     "
        say(f"{row.id:>4}  {state} ¥{yuan(row.price_fen):>10}  left {row.left_count:>6}  {row.goods_class:12} {row.name}")


@goods.command
def sell(goods_id: int, /, *, off: bool = False, json: bool = False) -> None:
    """Sell a good (or, with --off, no longer).

    Args:
        goods_id: its number.
        off: take it off the shelf; what was bought is not touched.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    on_database(lambda database, _vault, _settings: shelf.set_sale(database, 1, goods_id, on_sale=not off))
    say_json(id=goods_id, on_sale=not off) if json else say(f"good {goods_id} is {'off the shelf' if off else 'on sale'}")


@goods.command
def fill(goods_id: int, file: Path, /, *, json: bool = False) -> None:
    """Add codes to a good's stock, one a line; `-` reads standard input. Codes that the shop has or had are left out.

    Args:
        goods_id: its number.
        file: the codes.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    text = content_of(file)

    async def work(database: Any, vault: Any, _settings: Any) -> Any:
        return await shelf.add_codes(database, vault, 1, goods_id, shelf.read_codes(text))

    done = on_database(work)
    say_json(added=done.added, known=done.known) if json else say(f"{done.added} codes added, {done.known} were there before")
