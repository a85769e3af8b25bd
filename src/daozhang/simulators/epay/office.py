"""The operator's office: who its merchants are, whether a call is really theirs, and what is switched on for them."""

from collections.abc import Mapping
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from daozhang.simulators.epay import signing
from daozhang.simulators.epay.enrolment import Enrolment, Merchant, enrol, load
from daozhang.simulators.epay.orders import Sorry
from daozhang.simulators.epay.tongue import Rules, Tongue
from daozhang.simulators.watch import Watch

CLOCK_S = 300


class Office:
    """Keys, switches and the way of speaking of one operator. `tongue` and `rules` may be turned while it runs."""

    def __init__(self, enrolment: Enrolment, watch: Watch, tongue: Tongue, rules: Rules) -> None:
        self.enrolment, self._watch, self.tongue, self.rules = enrolment, watch, tongue, rules
        self.platform_key = load(enrolment.platform_key)
        self.merchants = {merchant.pid: merchant for merchant in enrolment.merchants}
        self._publics = {pid: load(merchant.private_key).public_key() for pid, merchant in self.merchants.items()}

    @cached_property
    def stranger_key(self) -> RSAPrivateKey:
        """A key that is nobody's here."""
        return load(enrol().platform_key)

    def merchant(self, given: Mapping[str, str]) -> Merchant:
        """Who is named. Raises `Sorry`."""
        merchant = self.merchants.get(given.get("pid", ""))
        if merchant is None:
            raise Sorry("商户不存在！")
        return merchant

    def key_of(self, given: Mapping[str, str]) -> Merchant:
        """Who asks at api.php, with the key itself in the call. Raises `Sorry`."""
        merchant = self.merchants.get(given.get("pid", ""))
        if merchant is None:
            raise Sorry("商户ID不存在", -3)
        if given.get("key") != merchant.key:
            raise Sorry("商户密钥错误", -3)
        if self.rules.rsa_only:
            raise Sorry("该商户只能使用RSA签名类型", -3)
        return merchant

    def admit(self, given: Mapping[str, str], *, version: int) -> Merchant:
        """Whether a signed call holds: V2 wants a fresh time stamp and RSA. Raises `Sorry`."""
        merchant = self.merchant(given)
        sign_type = given.get("sign_type") or "MD5"
        if self.rules.rsa_only and sign_type != "RSA":
            raise Sorry("该商户只能使用RSA签名类型", -3)
        if version:
            stamp = given.get("timestamp", "")
            if not stamp:
                raise Sorry("时间戳(timestamp)字段不能为空", -3)
            if not stamp.isdigit() or abs(self._watch.now_s() - int(stamp)) > CLOCK_S:
                raise Sorry("时间戳字段不正确，请检查服务器时间", -3)
        if sign_type == "RSA":
            holds = signing.rsa_holds(given, given.get("sign", ""), self._publics[merchant.pid])
        else:
            own = signing.md5(given, merchant.key)
            holds = given.get("sign") == (own.upper() if self.tongue.capitals else own)
        if not holds:
            raise Sorry(f"{sign_type}签名校验失败", -3)
        return merchant
