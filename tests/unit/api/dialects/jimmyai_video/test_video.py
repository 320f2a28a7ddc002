"""JimmyAI's videos: where each family is ordered, what it takes, and where its results stand."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.api.dialects.jimmyai_video import JimmyAIVideo
from batchgen.api.dialects.jimmyai_video.families import FAMILIES
from batchgen.core.dialects import Accounts, Attachment, Call, Complaint, Dialect, Price, Priced, Reference, Reply, Uploads
from batchgen.core.errors import InputError
from batchgen.core.money import Micros
from batchgen.core.readings import Accepted, Done, Ended, Running, Throttled, Unreadable
from tests.unit.api.dialects.jimmyai.jobs import attachment, job, reference

DIALECT: Dialect = JimmyAIVideo()
URL = "https://cdn.example.net/out/v.mp4"
A, B = "https://a/1.png", "https://a/2.png"


def fields(call: Call) -> dict[str, object]:
    """Read the JSON of an order."""
    return json.loads(b"".join(call.pieces))


def complaints(text: str, references: Sequence[Reference] = (), *, prompt_chars: int = 10, operation: str = "video") -> list[Complaint]:
    """Check parameters written as ``model=x duration=5``."""
    params = dict(pair.split("=", 1) for pair in text.split())
    return list(DIALECT.complaints(params, operation=operation, prompt_chars=prompt_chars, references=references))


def verdicts(text: str, references: Sequence[Reference] = (), **order: int) -> list[str]:
    """Name the parameters at fault; those that only warn carry a question mark."""
    return [f"{one.param}{'?' if one.severity == 'warning' else ''}" for one in complaints(text, references, **order)]


@pytest.mark.parametrize(
    ("model", "params", "sent", "path", "wanted"),
    [
        ("sora2-12s", {"duration": "12", "orientation": "portrait"}, [attachment(url=A)], "videos",
         {"duration": 12, "orientation": "portrait", "images": [A]}),
        ("veo_3_1_fast", {"resolution": "4k"}, [attachment("last_image", url=B), attachment("first_image", url=A)], "veo/frames",
         {"resolution": "4k", "first_frame_url": A, "last_frame_url": B}),
        ("seedance2.0-pro", {"duration": "4", "ratio": "16:9"}, [attachment(url=A), attachment("reference_videos", url=B)],
         "seedance/videos", {"duration": 4, "ratio": "16:9", "images": [A], "reference_videos": [B]}),
        ("sd2-933-720p", {}, [attachment("first_image", url=A), attachment("reference_audios", url=B)], "seedance/videos",
         {"first_image": A, "reference_audios": [B]}),
        ("seedance2.5-gz", {"duration": "-1", "ratio": "1:1", "resolution": "1080p"}, [attachment(url=A), attachment(url=B)],
         "seedance25/videos", {"duration": -1, "aspect_ratio": "1:1", "resolution": "1080p", "reference_images": [A, B]}),
        ("Gemini-Omini", {"duration": "8", "generation_type": "frame"}, [attachment(url=A)], "gemini/omni/videos",
         {"duration": 8, "generation_type": "frame", "image_urls": [A]}),
        ("omni-10s", {}, [attachment("reference_videos", url=B)], "gemini/omni/videos", {"video_urls": [B]}),
        ("minimax-h3", {"size": "768P"}, [attachment("first_image", url=A)], "minimax/videos", {"size": "768P", "first_image": A}),
        ("kling-o3", {"duration": "3"}, [], "kling/videos", {"duration": 3}),
        ("grok-imagine-video-1.5", {"duration": "15", "ratio": "9:16"}, [attachment(url=A)], "grok/videos",
         {"duration": 15, "ratio": "9:16", "image_urls": [A]}),
        ("wan3.0-gz", {"duration": "2"}, [], "wan/videos", {"duration": 2}),
        ("flux-3-draft", {"duration": "5", "ratio": "16:9"}, [], "flux3/videos", {"duration": 5, "aspect_ratio": "16:9"}),
        ("flux-3-next", {"n": "2", "colour": "red", "images": "shoe"}, [], "flux3/videos", {"colour": "red"}),
    ],
)  # fmt: skip
def test_each_family_is_ordered_at_its_path_under_its_names(
    model: str, params: dict[str, str], sent: list[Attachment], path: str, wanted: dict[str, object]
) -> None:
    """Durations are numbers, one frame is a text, references are a list; nothing is sent that nobody set."""
    call = DIALECT.submit(job("video", model, prompt="p", **params), sent)

    assert wanted | {"model": model, "prompt": "p"} == fields(call)
    assert ("POST", f"/api/open-api/v1/{path}", "api", False) == (call.method, call.path, call.host, call.is_synchronous)


@pytest.mark.parametrize(
    ("order", "sent"),
    [
        (job("video", "painter"), []),
        (job("video", "kling-o3", references=({"name": "shoe"},)), []),
        (job("video", "kling-o3"), [attachment("first_image", url=A)]),
        (job("video", "flux-3-draft"), [attachment(url=A)]),
    ],
    ids=["family", "missing", "role", "none"],
)
def test_submit_refuses_what_would_buy_another_video(order: object, sent: list[Attachment]) -> None:
    """No path is guessed, and no reference is left out in silence."""
    with pytest.raises(InputError):
        DIALECT.submit(order, sent)  # type: ignore[arg-type]  # a job, whatever the table says


FILE = reference("reference_videos", width=1)
IMAGE, FIRST, LAST, VIDEO, AUDIO = (reference(role) for role in DIALECT.roles)


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("model=sora2-gz-sp duration=20 orientation=landscape", [IMAGE]),
        ("model=veo_3_1_fast-4k resolution=1080p", [IMAGE] * 3),
        ("model=veo_3_1_lite resolution=720p", [FIRST, LAST]),
        ("model=seedance2.0-x duration=15 ratio=adaptive resolution=720p", [*[IMAGE] * 9, VIDEO, AUDIO]),
        ("model=seedance-2.5 duration=30 ratio=21:9", [*[IMAGE] * 30, *[VIDEO] * 10, *[AUDIO] * 10]),
        ("model=seedance2.5-gz duration=-1", ()),
        ("model=omni-10s duration=10 ratio=16:9 generation_type=reference", [IMAGE]),
        ("model=omni-10s orientation=portrait", [VIDEO]),
        ("model=minimax-h3-gz duration=5 size=768P", [*[IMAGE] * 5, FIRST]),
        ("model=kling-o3 resolution=1080p", [IMAGE] * 3),
        ("model=grok-imagine-video-1.5 duration=10", [IMAGE]),
        ("model=wan3.0 duration=4", [IMAGE] * 10),
        ("model=wan3.0-gz duration=2 images=x", ()),
        ("model=flux-3-draft duration=20 ratio=16:9", ()),
    ],
)
def test_documented_combinations_pass_in_silence(text: str, references: Sequence[Reference]) -> None:
    """What the vendor lists for a family is not refused."""
    if "minimax" in text:
        references = references[:5]
    assert complaints(text, references) == []


@pytest.mark.parametrize(
    ("text", "references", "params"),
    [
        ("", (), ["model"]),
        ("model=painter", (), ["model"]),
        ("model=kling-o4", (), ["model?"]),
        ("model=Gemini-Omni-2", (), ["model?"]),
        ("model=sora2-12s", (), ["duration"]),
        ("model=sora2-12s duration=10", (), ["duration"]),
        ("model=sora2-gz-sp duration=1.5", (), ["duration"]),
        ("model=sora2-gz-sp duration=4 orientation=square", [IMAGE] * 2, ["orientation", "images"]),
        ("model=sora2-gz-sp duration=4 resolution=720p", (), ["resolution"]),
        ("model=veo_3_1_lite resolution=1080p", (), ["resolution"]),
        ("model=veo_3_1_fast duration=8", (), ["duration"]),
        ("model=veo_3_1_fast", [IMAGE, FIRST], ["first_image"]),
        ("model=veo_3_1_fast", [IMAGE, LAST], ["last_image"]),
        ("model=veo_3_1_fast", [IMAGE] * 4, ["images"]),
        ("model=veo_3_1_fast", [FIRST, FIRST], ["first_image"]),
        ("model=seedance2.0-x duration=3", (), ["duration?"]),
        ("model=seedance2.0-x ratio=wide! resolution=big", (), ["ratio", "resolution"]),
        ("model=seedance2.0-x", [IMAGE] * 10, ["images"]),
        ("model=seedance2.0-x", [FILE], ["reference_videos"]),
        ("model=sd2_mx_1", [IMAGE], ["images?"]),
        ("model=seedance-2.5 duration=-1", (), ["duration"]),
        ("model=seedance-2.5 duration=31", [*[IMAGE] * 31, *[AUDIO] * 11], ["duration", "images", "reference_audios"]),
        ("model=omni-10s duration=5", (), ["duration"]),
        ("model=omni-10s duration=4", [VIDEO], ["duration"]),
        ("model=omni-10s ratio=1:1 orientation=portrait generation_type=x", (), ["generation_type", "orientation?"]),
        ("model=minimax-h3 duration=16", [IMAGE] * 6, ["duration", "images"]),
        ("model=kling-o3 resolution=4k", [VIDEO], ["resolution", "reference_videos"]),
        ("model=grok-imagine-video-1.5 duration=12", (), ["duration", "images"]),
        ("model=grok-imagine-video-1.5", [IMAGE] * 2, ["images"]),
        ("model=wan3.0 duration=2", (), ["duration"]),
        ("model=flux-3-draft resolution=720p", [IMAGE], ["resolution", "images"]),
        ("model=kling-o3 n=2 colour=red", (), ["n", "colour"]),
    ],
)
def test_impossible_combinations_are_named(text: str, references: Sequence[Reference], params: list[str]) -> None:
    """Each fault is blamed on the parameter that somebody wrote, or should have written."""
    assert params == verdicts(text, references)


@pytest.mark.parametrize(("model", "most"), [("seedance2.0-x", 5000), ("minimax-h3", 2000), ("kling-o3", 2000)])
def test_prompts_have_the_length_the_family_takes(model: str, most: int) -> None:
    """On both sides of each limit; no prompt is no video."""
    assert verdicts(f"model={model}", prompt_chars=most) == []
    assert verdicts(f"model={model}", prompt_chars=most + 1) == ["prompt"]
    assert verdicts(f"model={model}", prompt_chars=0) == ["prompt"]


def test_only_videos_are_ordered_here() -> None:
    """Images are another dialect's."""
    assert complaints("model=kling-o3", operation="image")[0].hint == "use video"
    assert DIALECT.ways("video") == {"url", "upload"}
    assert DIALECT.ways("image") == frozenset()


def test_an_unknown_family_names_the_known_ones() -> None:
    """The path cannot be guessed, so the hint lists what there is."""
    hint = complaints("model=painter")[0].hint

    assert all(family.title in hint and family.models[0] in hint for family in FAMILIES)


def test_every_listed_model_is_of_one_family_and_described() -> None:
    """No name is ordered at another family's path."""
    models = DIALECT.models()

    assert len({model.name for model in models}) == len(models) == sum(len(family.models) for family in FAMILIES)
    for model in models:
        assert sum(family.knows(model.name) for family in FAMILIES) == 1
    kling = next(model for model in models if model.name == "kling-o3")
    assert (("3-15",), ("720p", "1080p"), 3, 2000) == (kling.durations, kling.resolutions, kling.max_references, kling.max_prompt_chars)
    assert ("any",) == next(model.sizes for model in models if model.name == "minimax-h3")


def task(**data: object) -> Reply:
    """Build a successful answer about a task."""
    return Reply(status=200, body=json.dumps({"code": 20000, "msg": "ok", "data": {"task_id": "vid_1", **data}}).encode())


@pytest.mark.parametrize(
    ("data", "urls"),
    [
        ({"result": {"video_url": URL}}, (URL,)),
        ({"result": {"video_url": URL, "draft_cache_url": f"{URL}?draft"}}, (URL,)),
        ({"result": {"video_url": "", "draft_cache_url": f"{URL}?draft"}}, (f"{URL}?draft",)),
        ({"result": {"video_urls": [URL, B]}}, (URL, B)),
        ({"result": {"url": URL}}, (URL,)),
        ({"video_url": URL}, (URL,)),
        ({"mediaUrl": URL}, (URL,)),
        ({"result": {"video_url": "video/2026/v.mp4"}}, ()),
        ({"result": {"image_url": URL}}, ()),
        ({"result": None}, ()),
    ],
)
def test_a_finished_video_is_found_where_it_may_stand(data: dict[str, object], urls: tuple[str, ...]) -> None:
    """A storage key instead of an address is not ready; a draft's preview is the last resort."""
    assert Done(urls=urls) == DIALECT.read_poll(job("video"), task(status="completed", **data))


def test_tasks_are_followed_as_images_are() -> None:
    """One vendor, one envelope, another path."""
    polled = job("video", "kling-o3", task_id="vid/1")

    assert Call(method="GET", path="/api/open-api/v1/videos/vid%2F1") == DIALECT.poll(polled)
    assert Accepted(task_id="vid_1", cost=Micros(500_000)) == DIALECT.read_submit(polled, task(status="queued", cost=0.5))
    assert Running(status="processing") == DIALECT.read_poll(polled, task(status="processing"))
    assert Ended(reason="remote", message="DURATION_TOO_LONG") == DIALECT.read_poll(
        polled, task(status="failed", error_message="DURATION_TOO_LONG")
    )
    assert isinstance(DIALECT.read_submit(polled, Reply(status=429)), Throttled)
    assert isinstance(DIALECT.read_submit(polled, Reply(status=504)), Unreadable)
    assert DIALECT.unfamiliar(polled, task(eta=1, result={"draft_cache_url": URL})) == ("field data.eta",)


def test_the_dialect_shares_the_vendors_services() -> None:
    """Uploads, money and prices are the same account's."""
    assert isinstance(DIALECT, Uploads)
    assert isinstance(DIALECT, Accounts)
    assert isinstance(DIALECT, Priced)
    assert ("jimmyai-video", ("video",), frozenset()) == (DIALECT.name, DIALECT.operations, DIALECT.synchronous)


@pytest.mark.parametrize(
    ("params", "micros"),
    [
        ({"model": "seedance-2.5-sp", "duration": "10"}, 5_000_000),
        ({"model": "seedance-2.5-sp", "duration": "-1"}, None),
        ({"model": "seedance-2.5-sp", "duration": "\u0663"}, None),
        ({"model": "seedance-2.5-sp", "duration": "0"}, None),
        ({"model": "seedance-2.5-sp"}, None),
        ({"model": "kling-o3"}, 7),
        ({"model": "kling-o3", "resolution": "1080p"}, 9),
        ({"model": "wan3.0", "duration": "5"}, None),
        ({}, None),
    ],
)
def test_an_estimate_is_by_the_second_or_by_the_task(params: dict[str, str], micros: int | None) -> None:
    """Without a duration there is no price by the second; other modes tell nothing."""
    prices = {
        "seedance-2.5-sp": Price(micros=Micros(500_000), mode="per_second"),
        "kling-o3": Price(micros=Micros(7)),
        "kling-o3-1080p": Price(micros=Micros(9)),
        "wan3.0": Price(micros=Micros(9), mode="per_10k_char"),
    }

    assert micros == DIALECT.estimate(prices, params, operation="video", references=0)


@given(
    st.dictionaries(st.sampled_from([*DIALECT.params, *DIALECT.roles, "n", "x"]), st.text() | st.sampled_from(["4", "16:9", "720p"])),
    st.sampled_from([*(model.name for model in DIALECT.models()), "wan9"]),
    st.lists(st.sampled_from([IMAGE, FIRST, LAST, VIDEO, AUDIO, FILE]), max_size=3),
)
def test_checking_never_raises_and_what_passes_can_be_built(params: dict[str, str], model: str, references: list[Reference]) -> None:
    """An order that the planner lets through is an order that can be written down."""
    given_params = {**params, "model": model}
    found = DIALECT.complaints(given_params, operation="video", prompt_chars=1, references=references)

    if not any(complaint.severity == "error" for complaint in found):
        sent = [attachment(one.role, url=A) for one in references]
        assert fields(DIALECT.submit(job("video", model, **{k: v for k, v in params.items() if k != "model"}), sent))["model"] == model
