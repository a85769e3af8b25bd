"""The service agreement of a shop: its versions in both languages, and who agreed to which. Append-only.

Agreeing is ticked for one version, with one order, and never ticked beforehand: PIPL art. 14 wants consent given explicitly,
and asked for anew when what was agreed to changes.
"""

from daozhang.agreements.versions import Agreement, Publication, Ticked, accept, listed, present, publish, read

__all__ = ["Agreement", "Publication", "Ticked", "accept", "listed", "present", "publish", "read"]
