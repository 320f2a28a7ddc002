"""The key, signatures and passwords are nowhere but in the request: every test here looks through all files and all outputs."""

import json
import signal
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from batchgen.cli.main import COMMANDS
from tests.acceptance.conftest import StartVendor
from tests.support.cli import CANARY, Arrived, CommandLine, Vendor, open_host, study, wait_until
from tests.support.pictures import picture

KEY = "canary7f3a/9e51+c02d4b86aa11=="
"""A key that no shape gives away, and that is written otherwise in addresses."""
SIGNATURE = "c4naryS1gn/atUre+Q=="
PASSWORD = "pa55w0rd/canary+x"
HOOK = "h00k/canary+T0pic==7d1e"
"""The part of a webhook's address that only its owner knows, in a variable that is not called a secret."""
SIGNED = f"Expires=1&Signature={quote(SIGNATURE, safe='')}"
DATABASE = f"postgresql://ana:{quote(PASSWORD, safe='')}@127.0.0.1:9/night"
PROMPTS = ("saved", "refused", "garbled", "failed")
"""What becomes of each order."""


def spellings(secret: str) -> Iterator[bytes]:
    """Give the secret as it is, percent-quoted, as JSON may write it, and its middle in base64 at each offset."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    yield secret.replace("/", "\\/").encode()
    for before in range(3):
        yield b64encode(bytes(before) + secret.encode())[4:-4]


def leaks(cli: CommandLine) -> list[str]:
    """Name the files and quote the outputs that hold the key, the signature, the password or the webhook's part in any spelling."""
    secrets = (("key", KEY), ("signature", SIGNATURE), ("password", PASSWORD), ("webhook", HOOK))
    named = [(name, spelling) for name, secret in secrets for spelling in spellings(secret)]
    places = [*cli.files().items(), *(((said[:200]), said.encode()) for said in cli.said)]
    return [f"{name} in {place}" for place, content in places for name, spelling in named if spelling in content]


class Parrot:
    """A vendor that says the key and a signed address back wherever it can."""

    def __init__(self) -> None:
        self.url = ""
        self.heard = f"your header Bearer {KEY} or {quote(KEY, safe='')} or {b64encode(f'Bearer {KEY}'.encode()).decode()}"
        self.words = f"{self.heard}; see https://cdn.example/a.png?{SIGNED}"

    def __call__(self, request: Arrived) -> tuple[int, dict[str, str], bytes]:
        """Answer in the tone that the prompt, kept as the task's id, asks for; the key is in every answer."""
        status, told = self._told(request)
        document = {"msg": self.words, "trace": self.heard, **told} if isinstance(told, dict) else {}
        body = json.dumps(document).replace("/", "\\/").encode() if isinstance(told, dict) else told
        return status, {"X-Echo": self.heard.replace("\n", " "), "Set-Cookie": f"session={KEY}", "ETag": f'"{KEY}"'}, body

    def _told(self, request: Arrived) -> tuple[int, dict[str, object] | bytes]:
        word = next((word for word in PROMPTS if word in f"{request.path} {request.body!r}"), "")
        match request.method, word:
            case "GET", "saved" if "/files/" in request.path:
                return 200, picture()
            case "GET", _ if "/files/" in request.path:
                return 403, self.words.encode()
            case "GET", "failed":
                return 200, {"code": 20000, "data": {"task_id": word, "status": "failed", "error_message": self.words}}
            case "GET", "saved":
                result = {"image_url": f"{self.url}/files/{word}.png?{SIGNED}"}
                return 200, {"code": 20000, "data": {"task_id": word, "status": "completed", "result": result, "odd": self.words}}
            case "POST", "refused":
                return 200, {"code": 20002, "data": None}
            case "POST", "garbled":
                return 200, f"<html>{self.words}".encode()
            case "POST", _:
                return 200, {"code": 20000, "data": {"task_id": word, "status": "queued", "cost": 0.03}}
            case _:
                return 200, {"code": 20000, "data": {"balance": 100, "used_coin": 0, "available": 100, "unlimited": True, "list": []}}


def test_log_file_tells_the_run_without_its_key(cli: CommandLine, vendor: Vendor) -> None:
    """The diary is JSON lines in the file that was asked for; key and signatures are not in it."""
    cli.write(study(vendor.url, ["a fox, diary"]))

    run = cli("run", "study.yaml", "-y", "--log-file", "logs/night.jsonl")

    diary = (cli.folder / "logs/night.jsonl").read_text()
    assert 0 == run.code
    assert len([json.loads(line) for line in diary.splitlines()]) >= 4
    assert "submit_accepted" in diary
    assert "Signature=" not in diary
    assert [] == cli.leaks()


def test_rejected_key_is_not_repeated(cli: CommandLine, vendor: Vendor) -> None:
    """The sentence about a rejected key does not hold the key."""
    cli.write(study(vendor.url, ["a fox, rejected"]))

    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY="wrong-" + CANARY)

    assert 4 == run.code
    assert [] == cli.leaks()


def test_killed_run_leaves_no_key(cli: CommandLine, start_vendor: StartVendor) -> None:
    """After SIGKILL in the middle of orders neither database, journal, log nor temporary file holds the key."""
    vendor = start_vendor(latency_s=0.2)
    cli.write(study(vendor.url, [f"fox {number}" for number in range(12)]))

    with cli.background("run", "study.yaml", "-y", "--log-file", "night.jsonl") as running:
        wait_until(lambda: vendor.posts >= 6)
        running.send_signal(signal.SIGKILL)
        killed = cli.finish(running)

    assert -signal.SIGKILL == killed.code
    assert [] == cli.leaks()


@pytest.mark.parametrize("place", ["provider: {api_key: KEY}", "provider: {api_key_env: KEY}", "api_key: KEY"])
def test_key_in_a_manifest_is_refused_unquoted(cli: CommandLine, place: str) -> None:
    """A literal key in a manifest is an error that points at it without repeating it."""
    literal = "sk-literal-2f6d1b0c9e8a47"
    cli.write_text(f"version: 1\nname: keys\ndefaults: {{model: gpt-image-2}}\nprompts: [a fox]\n{place.replace('KEY', literal)}\n")

    answers = [cli("plan", "study.yaml"), cli("plan", "study.yaml", "--json"), cli("run", "study.yaml", "-y")]

    assert [2, 2, 2] == [answer.code for answer in answers]
    assert ["study.yaml"] == cli.leaks(literal)


READING = (
    ["status"],
    ["status", "--json"],
    ["jobs"],
    ["jobs", "--jsonl"],
    ["events"],
    ["events", "--jsonl"],
    ["verify"],
    ["export"],
    ["bundle"],
    ["report"],
)
KNOWING = (
    ["doctor"],
    ["models", "--offline"],
    ["schema"],
    ["completion", "bash"],
    ["db", "path"],
    ["db", "current"],
    ["db", "check"],
    ["db", "datasette"],
)
STEERING = (["work", "--drain"], ["pause"], ["limit", "--in-flight", "2"], ["unpause"], ["stop"])
DECIDING = (["retry", "--reason", "again"], ["cancel", "--reason", "enough"], ["resolve", "--abandon", "--reason", "enough"])


@pytest.mark.slow
def test_no_command_lets_a_secret_out(cli: CommandLine) -> None:
    """Every command, in success and in failure, at a vendor that says key and signature back: no file and no output holds any of them."""
    parrot = Parrot()
    run: set[str] = set()

    def call(*words: str, **variables: str | None) -> int:
        run.add(words[0])
        ended = cli(*words, **{"JIMMYAI_API_KEY": KEY, **variables})
        assert "Traceback" not in ended.err
        return ended.code

    with open_host(parrot) as host:
        parrot.url = host.url
        cli.write(study(host.url, PROMPTS, retry={"attempts": 1}, output={"dir": "out", "sidecar": "json"}))
        codes = [call(*words) for words in (["validate", "study.yaml"], ["plan", "study.yaml", "--save"], ["account", "study.yaml"])]
        codes += [call("run", "study.yaml", "-y", "--record", "rec"), call("resume", "-y", "--log-file", "second.log")]
        keys = [str(job["key"]) for job in cli.jobs()]
        for words in (*READING, *KNOWING, *(["show", key] for key in keys), *DECIDING, *STEERING, ["db", "backup", "copy.db"]):
            call(*words)
        for words in (["status"], ["run", "study.yaml", "-y"], ["doctor"], ["retry", "--reason", "again"], ["work", "--drain"]):
            assert call(*words, BATCHGEN_DB=DATABASE), words
        codes.append(call("account", "study.yaml", JIMMYAI_API_KEY=f"{KEY}\u2019"))

    assert [0, 0, 0, 3, 3, 2] == codes
    assert {"saved": 1} == {state: count for state, count in cli.states().items() if state == "saved"}
    assert any(KEY in request.headers.get("authorization", "") for request in host.seen)
    assert set(COMMANDS) - {"demo", "init", "sim"} == run  # these three speak to no vendor and are given no secret
    assert [] == leaks(cli)


@pytest.mark.parametrize("ends", [200, 400])
def test_an_answer_that_is_the_result_keeps_no_secret(cli: CommandLine, ends: int) -> None:
    """A synchronous answer is written to disk as it comes: the key, said back in body and head, is not on it, nor in a refusal."""
    parrot = Parrot()
    image = {"created": 1, "data": [{"b64_json": b64encode(picture()).decode()}], "note": parrot.heard}
    error = {"error": {"message": parrot.words, "type": "x", "code": "y", "param": None}}
    told = json.dumps(image if ends == 200 else error).encode()

    with open_host(lambda _: (ends, {"X-Echo": parrot.heard}, told)) as host:
        paint = {"model": "gpt-image-1.5", "quality": "low", "size": "1024x1024"}
        cli.write(study(host.url, ["a gate"], provider={"use": "openai", "base_url": host.url}, defaults=paint))
        ran = cli("run", "study.yaml", "-y", "--record", "rec", OPENAI_API_KEY=KEY)
        cli("show", cli.jobs()[0]["key"])

    assert (0 if ends == 200 else 3) == ran.code, ran.err
    assert [] == leaks(cli)


def _gossip(arrived: Arrived) -> tuple[int, dict[str, str], bytes]:
    """Say a webhook's address back, in the way that its beginning asks for."""
    headers = {"Location": f"https://example.com{arrived.path}", "X-Echo": arrived.path, "Set-Cookie": f"seen={HOOK}"}
    return int(arrived.path.split("/")[1]), headers, arrived.path.encode()


@pytest.mark.slow
def test_the_address_of_a_webhook_stays_between_it_and_its_owner(cli: CommandLine, vendor: Vendor) -> None:
    """Whether it is reached, refuses, redirects, is gone or cannot be: no file and no output has the secret part of its address."""
    with open_host(_gossip) as host:
        places = [f"{host.url}/{status}/${{TO}}?to=${{TO}}" for status in (204, 302, 404, 500)]
        places += ["http://127.0.0.1:9/${TO}", "https://10.255.255.1.example/${TO}", "https://${TO}.example.com/"]
        everything = ["started", "finished", "halted", "interrupted", "ambiguous", "stalled", "budget"]
        notify = [{"events": everything, "webhook": place} for place in places[:-1]]
        cli.write(study(vendor.url, ["a fox, gossip"], notify=notify))
        cli.write(study(vendor.url, ["a fox, gossip"], notify=[{"webhook": places[-1]}]), "broken.yaml")
        files = ("--heartbeat-file", "night.heartbeat", "--metrics-file", "night.prom")
        codes = [cli("validate", "study.yaml", TO=HOOK).code, cli("validate", "broken.yaml", TO=HOOK).code]
        codes += [cli("run", "study.yaml", "-y", "--record", "rec", *files, TO=HOOK).code, cli("resume", "-y", *files, TO=HOOK).code]
        codes += [cli("resume", "-y").code]  # the variable has gone: the notice fails, and nothing else does
    for words in (["status", "--json"], ["jobs"], ["events"], ["verify"], ["db", "backup", "copy.db"], ["plan", "broken.yaml"]):
        cli(*words, TO=HOOK)

    assert [0, 2, 0, 0, 0] == codes
    assert 16 == len(host.seen)
    assert all(HOOK in arrived.path and arrived.headers.get("cookie") is None for arrived in host.seen)
    assert [] == leaks(cli)
