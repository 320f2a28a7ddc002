"""Tests of the video families: paths, limits, money, polls, films and faults."""

from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest

from batchgen.sim import prices, videos
from batchgen.sim.order import Order, Refusal
from batchgen.sim.server import SimProcess

API = "/api/open-api/v1"
MINIMAL: dict[str, dict[str, object]] = {"videos": {"duration": 12}, "grok/videos": {"image_urls": ["https://x/a.png"]}}
StartSim = Callable[..., SimProcess]
ClientOf = Callable[[SimProcess], httpx.Client]


def body(path: str, model: str | None = None, **fields: object) -> dict[str, object]:
    """Return the smallest body that a path takes, with these fields on top."""
    return {"model": model or videos.BY_PATH[path].models[0], "prompt": "a fox", **MINIMAL.get(path, {}), **fields}


def ordered(path: str, model: str | None = None, **fields: object) -> Order | Refusal:
    """Return what the vendor makes of a body."""
    raw = httpx.Request("POST", "http://x", json=body(path, model, **fields)).read()
    return videos.order(path, raw, Decimal(1))


def filmed(client: httpx.Client, path: str, model: str | None = None, **fields: object) -> dict[str, object]:
    """Order a film without latency and return what the first poll tells."""
    task_id = client.post(f"{API}/{path}", json=body(path, model, **fields)).json()["data"]["task_id"]
    told: dict[str, object] = client.get(f"{API}/videos/{task_id}").json()["data"]
    return told


@pytest.mark.parametrize(("path", "model"), [(path, model) for path, family in videos.BY_PATH.items() for model in family.models])
def test_every_model_is_made_on_its_path_at_its_price(path: str, model: str) -> None:
    """The charge is the listed price times the seconds, or the flat price."""
    order = ordered(path, model, **({"duration": videos.seconds({"model": model})} if path == "videos" else {}))

    assert isinstance(order, Order)
    units = 1 if prices.PRICES[model].mode == "per_task" else videos.seconds(order.fields)
    assert order.cost == prices.PRICES[model].unit * units


@pytest.mark.parametrize("path", [path for path in videos.BY_PATH if path != "kling/videos"])
def test_a_model_on_the_wrong_path_is_refused(path: str) -> None:
    """Each path makes its own product line."""
    assert Refusal(code=20002, msg="不支持的模型参数") == ordered(path, "kling-o3")


@pytest.mark.parametrize(
    ("field", "path", "model", "fields"),
    [
        ("duration", "videos", "sora2-12s", {"duration": 10}),
        ("duration", "videos", "openai-sora-2", {"duration": None}),
        ("duration", "kling/videos", None, {"duration": 2}),
        ("duration", "kling/videos", None, {"duration": "5"}),
        ("duration", "kling/videos", None, {"duration": True}),
        ("duration", "seedance25/videos", "seedance-2.5", {"duration": -1}),
        ("duration", "wan/videos", "wan3.0", {"duration": 3}),
        ("duration", "gemini/omni/videos", None, {"duration": 5}),
        ("video_urls", "gemini/omni/videos", None, {"duration": 4, "video_urls": ["https://x/a.mp4"]}),
        ("generation_type", "gemini/omni/videos", None, {"generation_type": "dream"}),
        ("orientation", "videos", None, {"orientation": "square"}),
        ("aspect_ratio", "kling/videos", None, {"aspect_ratio": "wide"}),
        ("aspect_ratio", "kling/videos", None, {"aspect_ratio": ["16:9"]}),
        ("resolution", "kling/videos", None, {"resolution": "4k"}),
        ("resolution", "veo/frames", "veo_3_1_lite", {"resolution": "1080p"}),
        ("resolution", "flux3/videos", None, {"resolution": "720p"}),
        ("first_frame_url", "veo/frames", None, {"images": ["https://x/a.png"], "first_frame_url": "https://x/b.png"}),
        ("first_image", "seedance/videos", None, {"images": ["https://x/a.png"], "first_image": "https://x/b.png"}),
        ("first_image", "minimax/videos", None, {"first_image": 7}),
        ("images", "videos", None, {"images": ["https://x/a.png", "https://x/b.png"]}),
        ("images", "seedance/videos", "sd2_mx_720p", {"images": ["https://x/a.png"]}),
        ("image_urls", "grok/videos", None, {"image_urls": []}),
        ("image_urls", "grok/videos", None, {"image_urls": ["https://x/a.png"] * 2}),
        ("prompt", "kling/videos", None, {"prompt": "x" * 2001}),
        ("prompt", "kling/videos", None, {"prompt": None}),
    ],
)
def test_an_impossible_film_is_refused_by_field(field: str, path: str, model: str | None, fields: dict[str, object]) -> None:
    """Durations, shapes, resolutions and references are checked for each family."""
    assert Refusal(code=20002, msg=f"参数错误: {field}") == ordered(path, model, **fields)


@pytest.mark.parametrize(
    ("path", "model", "fields"),
    [
        ("seedance25/videos", "seedance2.5-gz", {"duration": -1}),
        ("wan/videos", "wan3.0-gz", {"duration": 2}),
        ("seedance/videos", "sd2_mx_720p", {"images": ["asset://1"]}),
        ("gemini/omni/videos", None, {"video_urls": ["https://x/a.mp4"]}),
        ("veo/videos", None, {"first_frame_url": "https://x/a.png", "last_frame_url": "https://x/b.png"}),
    ],
)
def test_a_documented_oddity_is_accepted(path: str, model: str | None, fields: dict[str, object]) -> None:
    """The special cases of the pages work."""
    assert isinstance(ordered(path, model, **fields), Order)


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"model": "sora2-12s", "orientation": "portrait"}, (720, 1280)),
        ({"model": "veo_3_1_fast-4k"}, (3840, 2160)),
        ({"model": "kling-o3", "aspect_ratio": "1:1", "resolution": "1080p"}, (1080, 1080)),
        ({"model": "grok-imagine-video-1.5", "ratio": "auto"}, (1280, 720)),
    ],
)
def test_the_size_follows_shape_and_resolution(fields: dict[str, object], size: tuple[int, int]) -> None:
    """The short side is the resolution."""
    assert size == videos.pixels(fields)


def test_a_film_is_an_mp4_of_its_size(start_sim: StartSim, client_of: ClientOf) -> None:
    """Create, poll and download work as for images, and the track has the announced size."""
    client = client_of(start_sim(image_scale=0.1))

    told = filmed(client, "kling/videos", resolution="1080p", duration=3)
    film = client.get(told["result"]["video_url"])  # type: ignore[index] # a completed task

    assert (told["status"], told["cost"]) == ("completed", 0.27)
    assert str(told["task_id"]).startswith("vid_")
    assert film.headers["content-type"] == "video/mp4"
    assert film.content[4:8] == b"ftyp"
    at = film.content.index(b"tkhd") + 4 + 76
    assert [int.from_bytes(film.content[at + 4 * side : at + 4 * side + 2]) for side in (0, 1)] == [192, 108]


def test_a_flux_draft_is_a_webm_with_a_cached_draft(start_sim: StartSim, client_of: ClientOf) -> None:
    """One family comes in the other container."""
    client = client_of(start_sim())

    result = filmed(client, "flux3/videos")["result"]

    assert isinstance(result, dict)
    assert result.keys() == {"video_url", "draft_cache_url"}
    film = client.get(result["video_url"])
    assert film.headers["content-type"] == "video/webm"
    assert film.content[:4] == b"\x1a\x45\xdf\xa3"


def test_a_gz_model_gives_a_direct_link(start_sim: StartSim, client_of: ClientOf) -> None:
    """Its film lies under another path than the vendor's storage."""
    client = client_of(start_sim())

    urls = [str(filmed(client, "wan/videos", model)["result"]["video_url"]) for model in ("wan3.0-gz", "wan3.0")]  # type: ignore[index] # completed

    assert [url.split("/")[3] for url in urls] == ["direct", "files"]
    assert [client.get(url).status_code for url in urls] == [200, 200]


def test_images_and_videos_are_polled_on_their_own_paths(start_sim: StartSim, client_of: ClientOf) -> None:
    """A task is unknown on the other path."""
    client = client_of(start_sim())
    film = filmed(client, "kling/videos")["task_id"]
    image = client.post(f"{API}/images", json={"model": "gpt-image-2", "prompt": "x"}).json()["data"]["task_id"]

    crossed = [client.get(f"{API}/images/{film}").json(), client.get(f"{API}/videos/{image}").json()]

    assert crossed == [{"code": -1, "msg": "任务不存在", "data": None}] * 2


def test_a_reference_of_a_film_is_looked_at(sim: SimProcess, client_of: ClientOf) -> None:
    """A URL of this server must exist, and the message names the field."""
    told = client_of(sim).post(f"{API}/kling/videos", json=body("kling/videos", reference_images=[f"{sim.url}/files/none.png"])).json()

    assert told == {"code": 20002, "msg": "参数错误: reference_images", "data": None}


def test_result_faults_speak_of_videos(start_sim: StartSim, client_of: ClientOf) -> None:
    """An empty URL, a storage key and another word, all with the name that videos use."""
    faults = ("result.no_url@1", "result.relative_url@2", "result.success_word@3")
    client = client_of(start_sim(faults=faults))
    task_id = filmed(client, "kling/videos")["task_id"]

    relative, odd, honest = (client.get(f"{API}/videos/{task_id}").json()["data"] for _ in range(3))

    assert relative["result"] == {"video_url": f"out/{task_id}.mp4"}
    assert odd["mediaUrl"].partition("?")[0] == honest["result"]["video_url"].partition("?")[0]


def test_download_faults_cut_films_too(start_sim: StartSim, client_of: ClientOf) -> None:
    """Half a film, a film with an empty end, then the whole one."""
    client = client_of(start_sim(faults=("download.short@1", "download.zeroed_tail@2")))
    url = filmed(client, "kling/videos")["result"]["video_url"]  # type: ignore[index] # a completed task

    short, zeroed, honest = (client.get(url).content for _ in range(3))

    assert honest[: len(short)] == short
    assert len(short) == len(honest) // 2
    assert (len(zeroed), zeroed[-100:]) == (len(honest), bytes(100))


def test_a_moderated_film_is_refunded(start_sim: StartSim, client_of: ClientOf) -> None:
    """Endings and refunds are those of all tasks."""
    client = client_of(start_sim())

    told = filmed(client, "kling/videos", prompt="[moderated]")

    assert (told["status"], told["error_message"]) == ("failed", "PROVIDER_MODERATION_ERROR")
    assert [line["event"] for line in client.get("/_sim/ledger").json()] == ["charge", "refund"]
