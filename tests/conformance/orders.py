"""One example of every kind of order that the built-in dialects can place, with answers as the vendors document them."""

import base64

from batchgen.core.dialects import Attachment, Reply
from batchgen.testing import Example, job, reply
from tests.support.pictures import picture

PNG = picture(size=(512, 512))
INLINE = base64.b64encode(picture(size=(8, 8))).decode()
SHOE = Attachment(role="images", filename="shoe.png", media_type="image/png", url="https://img.example/shoe.png", content=PNG)


def _enveloped(data: object, *, code: int = 20000, msg: str = "success", status: int = 200) -> Reply:
    return reply(status, {"code": code, "msg": msg, "data": data})


_REFUSED = _enveloped(None, code=20002, msg="参数错误: ratio")
_THROTTLED = _enveloped(None, code=40000, msg="请求过于频繁", status=429)


def _jimmyai_task(operation: str, model: str, place: str, url: str, *attachments: Attachment, **params: str) -> Example:
    task = {"task_id": "tsk_8f3a", "model": model, "progress": 40, "created_at": 1764000000000}
    return Example(
        job=job(model, operation=operation, references=[each.role for each in attachments], **params),
        attachments=attachments,
        taken=_enveloped({"task_id": "tsk_8f3a", "status": "queued", "cost": 0.03}),
        refused=_REFUSED,
        throttled=_THROTTLED,
        task_id="tsk_8f3a",
        running=_enveloped({**task, "status": "processing"}),
        done=(_enveloped({**task, "status": "completed", "completed_at": 1764000041000, "cost": 0.03, "result": {place: url}}),),
        failed=(_enveloped({**task, "status": "failed", "error_message": "upstream failure"}),),
        urls=(url,),
    )


def _jimmyai_answer(operation: str, model: str, *attachments: Attachment, **params: str) -> Example:
    return Example(
        job=job(model, operation=operation, references=[each.role for each in attachments], **params),
        attachments=attachments,
        taken=_enveloped({"created": 1764000000, "data": [{"b64_json": INLINE}], "cost": 0.05}),
        refused=_REFUSED,
        throttled=_THROTTLED,
    )


_PICTURE_URL = "https://cdn.example/o/1.png?Expires=1&Signature=s"

JIMMYAI = {
    "image": _jimmyai_task("image", "gpt-image-2", "image_url", _PICTURE_URL, ratio="1:1", resolution="1k", quality="low"),
    "image with a reference": _jimmyai_task("image", "gpt-image-2", "image_url", _PICTURE_URL, SHOE, ratio="1:1", resolution="1k"),
    "generate": _jimmyai_answer("generate", "gpt-image-2", size="1024x1024", quality="low"),
    "edit": _jimmyai_answer("edit", "gpt-image-2", SHOE, size="1024x1024", quality="low"),
    "upscale": _jimmyai_answer("upscale", "upscale", SHOE),
    "remove-bg": _jimmyai_answer("remove-bg", "remove-bg", SHOE),
}

_CLIP_URL = "https://cdn.example/o/1.mp4?Expires=1&Signature=s"

JIMMYAI_VIDEO = {
    "Sora": _jimmyai_task("video", "sora2-12s", "video_url", _CLIP_URL, duration="12", orientation="landscape"),
    "Kling": _jimmyai_task("video", "kling-o3", "video_url", _CLIP_URL, SHOE, duration="5", ratio="16:9"),
    "Seedance 2.5": _jimmyai_task("video", "seedance-2.5", "video_url", _CLIP_URL, duration="4", resolution="720p"),
}


def _openai(operation: str, *attachments: Attachment) -> Example:
    image = {"b64_json": INLINE, "revised_prompt": "A neon sign"}
    return Example(
        job=job("gpt-image-1.5", operation=operation, references=[each.role for each in attachments], size="1024x1024", quality="low"),
        attachments=attachments,
        taken=reply(200, {"created": 1764000000, "data": [image], "size": "1024x1024", "usage": {"total_tokens": 1200}}),
        refused=reply(
            400, {"error": {"message": "Invalid size", "type": "invalid_request_error", "param": "size", "code": "invalid_value"}}
        ),
        throttled=reply(429, {"error": {"message": "Rate limit", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}),
    )


OPENAI = {"generate": _openai("generate"), "edit": _openai("edit", SHOE)}

_FAL_IMAGE = "https://v3.fal.media/files/a/1.png"
_FAL_FLAGGED = {"loc": ["body", "prompt"], "msg": "flagged by a content checker", "type": "content_policy_violation"}
_FAL_DONE = reply(200, {"status": "COMPLETED", "request_id": "7f3a-91", "logs": None})

FAL = Example(
    job=job("fal-ai/flux/dev", image_size="square", num_inference_steps="28"),
    taken=reply(200, {"status": "IN_QUEUE", "request_id": "7f3a-91", "queue_position": 0, "status_url": "https://queue.fal.run/x/7f3a-91"}),
    refused=reply(422, {"detail": [{"loc": ["body", "image_size"], "msg": "unexpected value", "type": "value_error"}]}),
    throttled=reply(429, {"detail": "Request was throttled."}),
    task_id="7f3a-91",
    running=reply(202, {"status": "IN_PROGRESS", "request_id": "7f3a-91", "logs": None}),
    done=(_FAL_DONE, reply(200, {"images": [{"url": _FAL_IMAGE, "width": 512, "height": 512}], "seed": 7, "has_nsfw_concepts": [False]})),
    failed=(_FAL_DONE, reply(422, {"detail": [_FAL_FLAGGED]})),
    urls=(_FAL_IMAGE,),
)

_REPLICATE_IMAGE = "https://replicate.delivery/a/out.png"


def _prediction(status: str, output: object = None, error: object = None) -> dict[str, object]:
    urls = {"get": "https://api.replicate.com/v1/predictions/x7"}
    return {"id": "x7f3a91", "model": "lab/flux-dev", "input": {}, "status": status, "output": output, "error": error, "urls": urls}


REPLICATE = Example(
    job=job("lab/flux-dev", aspect_ratio="16:9", seed="7"),
    taken=reply(201, _prediction("starting")),
    refused=reply(422, {"title": "Input validation failed", "detail": "- input.aspect_ratio: not allowed", "status": 422}),
    throttled=reply(429, {"detail": "Request was throttled. Your rate limit resets in ~30s."}),
    task_id="x7f3a91",
    running=reply(200, _prediction("processing")),
    done=(reply(200, _prediction("succeeded", [_REPLICATE_IMAGE])),),
    failed=(reply(200, _prediction("failed", error="CUDA out of memory")),),
    urls=(_REPLICATE_IMAGE,),
)
