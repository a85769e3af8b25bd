"""How a spending is taken from cash and bonus: in the proportion in which they lie there. Pure; amounts are fen.

What stays of the cash then is what its payer may have back: paid / (paid + bonus) of what is left (法释〔2025〕4号, art. 18).
Taking the bonus first would let a person spend the gift and take the price back; taking cash first would let the gift outlive it.
"""


def split(cash_fen: int, bonus_fen: int, total_fen: int) -> tuple[int, int]:
    """What comes from cash and what from the bonus; the odd fen comes from cash.

    A total that both together do not hold is left to cash alone, whose floor refuses it.
    """
    if bonus_fen <= 0 or total_fen > cash_fen + bonus_fen:
        return total_fen, 0
    from_bonus_fen = total_fen * bonus_fen // (cash_fen + bonus_fen)
    return total_fen - from_bonus_fen, from_bonus_fen
