"""Name the vendor's business codes and messages; success on the outside says nothing about the task."""

OK = 20000
BAD_KEY = 20001
BAD_PARAMETERS = 20002
SERVER_ERROR = -1
TOO_FREQUENT = 40000

BAD_PARAMETERS_MSG = "参数错误"
BAD_MODEL_MSG = "不支持的模型参数"
TOO_FREQUENT_MSG = "请求过于频繁，请稍后再试"  # noqa: RUF001 - the vendor's own punctuation
NO_BALANCE_MSG = "余额不足"
NO_QUOTA_MSG = "API key quota exhausted"
NOT_FOUND_MSG = "任务不存在"
MODERATED_MSG = "PROVIDER_MODERATION_ERROR"
UNSUPPORTED_FILE_MSG = "unsupported file format"
