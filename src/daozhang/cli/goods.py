"""The commands of goods: the shelf and its stock. Codes come from files, never from the command line."""

from pathlib import Path
from typing import Any

from cyclopts import App

from daozhang.cli.channel import content_of, on_database
from daozhang.cli.frame import Failed, app, say, say_json

goods = App(name="goods", help="Goods: what the shop sells, and its stock of codes.")
app.command(goods)


@goods.command
def add(
    name: str, price: str, /, *, goods_class: str = "game_card", source: str, name_en: str = "", about: str = "",
    about_en: str = "", alarm_below: int = 0, sku: str = "", target: str = "", pattern: str = "", json: bool = False,
) -> None:  # fmt: skip
    """Put a good on the shelf. It is not for sale until `goods sell`.

    Args:
        name: as buyers read it.
        price: yuan for one piece, such as 49.90.
        goods_class: game_card, game_topup, phone_topup, membership, voucher or software.
        source: where the shop gets it from, for the record.
        name_en: its name in English.
        about: what it is and how it is used, in Chinese.
        about_en: the same in English.
        alarm_below: ring when fewer pieces than this are left.
        sku: the supplier's article; given for a direct top-up, which needs no stock of codes.
        target: what the buyer names for a top-up: phone, qq, uid, email or account.
        pattern: how that name looks, such as 1[3-9][0-9]{9}; by default as its kind has it.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    wares = shelf.Wares(
        goods_class=goods_class, name=name, price_fen=_fen(price), source=source, name_en=name_en, about_zh=about,
        about_en=about_en, alarm_below=alarm_below, delivery="topup" if sku else "cards", sku=sku, target=target,
        target_pattern=pattern,
    )  # fmt: skip

    async def work(database: Any, _vault: Any, _settings: Any) -> int:
        return await shelf.put(database, 1, wares)

    number = on_database(work)
    then = "sell it" if sku else "fill its stock, then sell it"
    say_json(id=number) if json else say(f"good {number} added; {then}")


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
        left = "by supplier" if row.left_count is None else f"left {row.left_count:>6}"
        low = " LOW" if row.left_count is not None and row.left_count < row.alarm_below else ""
        say(f"{row.id:>4}  {state} ¥{yuan(row.price_fen):>10}  {left:11}{low}  {row.goods_class:12} {row.name}")


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


@goods.command(name="price")
def set_price(goods_id: int, price: str, /, *, json: bool = False) -> None:
    """Change the price from now on; buyers who saw the old one are told before they buy.

    Args:
        goods_id: its number.
        price: yuan for one piece.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    price_fen = _fen(price)
    on_database(lambda database, _vault, _settings: shelf.set_price(database, 1, goods_id, price_fen))
    say_json(id=goods_id, price_fen=price_fen) if json else say(f"good {goods_id} costs ¥{price} now")


@goods.command
def alarm(goods_id: int, below: int, /, *, json: bool = False) -> None:
    """Ring when fewer pieces than this are left; 0 = never.

    Args:
        goods_id: its number.
        below: the mark.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    on_database(lambda database, _vault, _settings: shelf.set_alarm(database, 1, goods_id, below))
    say_json(id=goods_id, alarm_below=below) if json else say(f"good {goods_id} rings below {below}")


@goods.command
def fill(goods_id: int, file: Path, /, *, skip_known: bool = False, json: bool = False) -> None:
    """Add codes to a good's stock: one a line, or a CSV whose first column is headed `code`. `-` reads standard input.

    A code that is there twice, or that the shop has or had, refuses the whole file.

    Args:
        goods_id: its number.
        file: the codes.
        skip_known: leave out what is known already instead.
        json: end with one JSON line.
    """
    from daozhang.goods import shelf

    text = content_of(file)

    async def work(database: Any, vault: Any, _settings: Any) -> Any:
        return await shelf.add_codes(database, vault, 1, goods_id, shelf.read_codes(text), all_new=not skip_known)

    done = on_database(work)
    say_json(added=done.added, known=done.known) if json else say(f"{done.added} codes added, {done.known} were there before")


def _fen(price: str) -> int:
    from daozhang.money import MalformedAmount, parse_yuan

    try:
        return parse_yuan(price)
    except MalformedAmount:
        raise Failed("the price is yuan with at most two decimals, such as 49.90") from None
