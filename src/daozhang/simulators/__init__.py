"""Strangers to the house: protocol-true channels, the payer's phone and the fault dial. They ship with the product.

A person: open `/phone` of the simulator, or `/phone/scan?code_url=<url-encoded code_url>` for one payment (a cashier page in the
demo links there; an `h5_url` leads there by itself; `/phone/jsapi` takes the six values of the payment sheet). `/phone/dial` makes
the merchant's calls go wrong. A program: `async with Simulator() as sim`, or `python -m daozhang.simulators --config FILE`, and
the doors of `control.py` over HTTP. What a fault is called: `faults.py`; what the phone can do: `phone.py`; its pace: `habits.py`.
"""
