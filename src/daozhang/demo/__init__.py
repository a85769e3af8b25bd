"""The demo: a small living world, in which each cause of a failed recharge can be met, understood and cured within a minute."""

from daozhang.demo.run import Addresses, DemoTrouble, demo

__all__ = ["Addresses", "DemoTrouble", "demo"]
