"""How WeChat Pay says no: code, HTTP status and the texts merchants know from its documents and from probing it."""

from typing import Any

import msgspec

STATUSES: dict[str, tuple[int, str]] = {
    "PARAM_ERROR": (400, "参数错误"),
    "INVALID_REQUEST": (400, "请求参数符合参数格式，但不符合业务规则"),
    "APPID_MCHID_NOT_MATCH": (400, "appid和mch_id不匹配，请检查后再试"),
    "MCH_NOT_EXISTS": (400, "商户号不存在"),
    "ORDERPAID": (400, "该订单已支付"),
    "ORDER_CLOSED": (400, "该订单已关闭"),
    "SIGN_ERROR": (401, "错误的签名，验签失败"),
    "NO_AUTH": (403, "商户号该产品权限未开通，请前往商户平台>产品中心检查后重试"),
    "RULE_LIMIT": (403, "业务规则限制"),
    "RULELIMIT": (403, "业务规则限制"),
    "TRADE_ERROR": (403, "交易错误"),
    "ACCOUNT_ERROR": (403, "用户账号异常"),
    "ACCOUNTERROR": (403, "用户账号异常"),
    "NOT_ENOUGH": (403, "基本账户余额不足，请充值后重新发起"),
    "NOTENOUGH": (403, "用户账号余额不足"),
    "OUT_TRADE_NO_USED": (403, "商户订单号重复"),
    "USER_ACCOUNT_ABNORMAL": (403, "退款请求失败：用户账户异常或已注销"),
    "TRADE_OVERDUE": (403, "订单已经超过可退款的最大期限"),
    "ORDER_NOT_EXIST": (404, "订单不存在"),
    "ORDERNOTEXIST": (404, "订单不存在"),
    "RESOURCE_NOT_EXISTS": (404, "查询的资源不存在"),
    "FREQUENCY_LIMITED": (429, "频率超限，请稍后重试"),
    "RATELIMIT_EXCEEDED": (429, "请求频率超限"),
    "SYSTEM_ERROR": (500, "系统异常，请用相同参数重新调用"),
    "SYSTEMERROR": (500, "系统超时"),
    "BANK_ERROR": (500, "银行系统异常"),
    "BANKERROR": (500, "银行系统异常"),
    "INVALID_TRANSACTIONID": (500, "无效的微信支付订单号"),
    "OPENID_MISMATCH": (500, "openid和appid不匹配"),
    "SERVICE_UNAVAILABLE": (503, "服务不可用，请稍后重试"),
    "USERPAYING": (202, "用户支付中，需要输入密码"),
    "NO_STATEMENT_EXIST": (400, "账单文件不存在"),
    "STATEMENT_CREATING": (400, "账单生成中"),
    "REFUND_FEE_MISMATCH": (400, "订单金额或退款金额与之前请求不一致，请核实后再试"),
}


class ApiError(Exception):
    """A call that the channel refuses. It is answered unsigned, as the real channel answers 4xx and 5xx."""

    def __init__(self, code: str, message: str = "", *, http: int = 0, detail: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        status, text = STATUSES.get(code, (403, code))
        self.code, self.message, self.http = code, message or text, http or status
        self.detail = detail

    def body(self) -> bytes:
        """The JSON the channel sends with it."""
        content: dict[str, Any] = {"code": self.code}
        if self.detail is not None:
            content["detail"] = self.detail
        content["message"] = self.message
        return msgspec.json.encode(content)


def bad_field(path: str, label: str, why: str, value: object = None) -> ApiError:
    """A field that breaks its rule; `detail` names it as the real channel does."""
    return ApiError(
        "PARAM_ERROR", f"输入源“{path}”映射到字段“{label}”规则校验失败，{why}", detail={"location": path, "value": value}
    )
