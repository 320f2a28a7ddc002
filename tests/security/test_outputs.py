"""Rows 28 to 30 and 34 to 41 of the table of threats: what comes out, what is read of ours, and what strangers may start."""

import csv
import io
import json
import sqlite3
import stat
import unicodedata
import zlib
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy.exc import IntegrityError

from batchgen.api.dialects import dialect_for
from batchgen.api.pointers import MAX_IMAGES
from batchgen.core.dialects import Dialect, Reply
from batchgen.core.errors import FileError
from batchgen.core.readings import Done, Trouble, Unreadable
from batchgen.files import journal
from batchgen.logs import Redactor
from batchgen.planning.manifest import Manifest
from batchgen.planning.settings import RunSettings
from batchgen.store.engine import open_engine, parse, place_of
from batchgen.worker.latency import Latencies
from tests.plugins.packages import install
from tests.support.builders import job
from tests.support.cli import CANARY, Arrived, CommandLine, Vendor, envelope, open_host, study
from tests.support.manifests import Desk

STEERING = "\x1b]52;c;aGk=\x07 a\rb \u202e moc\nFAKE line"
PASSWORD = "hunter2hunter2"


def jimmyai() -> Dialect:
    """Give the dialect of the examples."""
    dialect = dialect_for("jimmyai")
    assert dialect is not None
    return dialect


# --- rows 28 to 30: secrets ---


@pytest.mark.parametrize(
    "section",
    [
        f"provider: {{api_key: {CANARY}}}",
        f"provider: {{api_key_env: {CANARY}}}",
        "provider: {api_key_env: AIzaSyCanary0123456789}",
        f"provider: {{Authorization: Bearer {CANARY}}}",
        f"provider: {{base_url: 'https://x.example/{CANARY}'}}",
        f"provider: {{use: {CANARY}}}",
        f"provider: {{sim: {{seed: {CANARY}}}}}",
        f"notify: [{{command: [curl, '{CANARY}']}}]",
        f"metadata: {{key: {CANARY}}}",
        f"tags: [{CANARY}]",
    ],
    ids=lambda section: section.replace(CANARY, "KEY"),
)
def test_row_28_a_key_in_the_manifest_is_refused_and_never_quoted(desk: Desk, section: str) -> None:
    """The problem says where it stands, and nothing says what it is."""
    problems = desk.problems(f"prompts: [a]\n{section}\n")

    assert "E110" in [problem.code for problem in problems]
    assert not any("canary" in str(problem).casefold() for problem in problems)


@pytest.mark.parametrize("body", ["prompts: [a]\nlimits: {deadline: %s}\n", "prompts: [a]\n%s: 1\n"])
def test_row_28_a_key_in_an_unexpected_place_is_not_quoted(desk: Desk, body: str) -> None:
    """Whatever the message is about, it never shows what looks like a key."""
    problems = desk.problems(body % CANARY)

    assert problems
    assert not any("canary" in str(problem) for problem in problems)


@pytest.mark.parametrize(
    "section",
    ['provider: {base_url: "https://x:${KEY}@example.org"}', "provider: {api_key_env: '${KEY}'}"],
    ids=["address", "name of the variable"],
)
def test_row_28_a_variable_does_not_bring_the_key_into_the_plan(desk: Desk, section: str) -> None:
    """``api_key_env: ${KEY}`` is a slip that would store the key with the plan; an address that cannot be used is not shown."""
    problems = desk.problems(f"prompts: [a]\n{section}\n", environ={"KEY": CANARY})

    assert ["E110"] == [problem.code for problem in problems]
    assert "canary" not in str(problems[0])


def test_row_28_a_name_of_a_variable_must_be_one(desk: Desk) -> None:
    """Not a sentence."""
    assert ["5:25 E103"] == desk.places("prompts: [a]\nprovider: {api_key_env: MY KEY}\n")


@pytest.mark.parametrize("word", ["${JIMMYAI_API_KEY}", "X-Key: ${JIMMYAI_API_KEY:-none}"])
def test_row_28_a_command_gets_no_key_among_its_words(desk: Desk, word: str) -> None:
    """Every user of the machine can read the words of a running command; the same key from an env file counts."""
    problems = desk.problems(f"prompts: [a]\nnotify: [{{command: [curl, '{word}']}}]\n", environ={"JIMMYAI_API_KEY": CANARY})

    assert ["E110"] == [problem.code for problem in problems]
    assert "canary" not in str(problems[0])


def test_row_28_no_option_takes_a_key(cli: CommandLine) -> None:
    """There is none to type it into, neither our own nor a parameter's; the refusal does not say it back."""
    cli.write(study("http://127.0.0.1:9", ["a gate"]))

    for words in ([f"--api-key={CANARY}"], ["--set", f"api_key={CANARY}"], ["--set", f"quality={CANARY}"]):
        refused = cli("plan", "study.yaml", "--offline", *words)

        assert 2 == refused.code
        assert CANARY not in refused.out + refused.err
    assert "error[E110]" in refused.err


def test_row_28_children_get_a_clean_environment_and_clean_words(cli: CommandLine) -> None:
    """The command of a notice and the simulator see neither key, nor password, nor any variable that they do not need."""
    told = "#!/bin/sh\nfor name in environ cmdline; do tr '\\0' '\\n' < /proc/$$/$name; done > told\n"
    cli.write_text(told, "tell.sh").chmod(0o755)
    simulated = study("", ["a gate"], provider={"use": "sim", "sim": {"latency": "0.5", "image-scale": "0.1"}},
                      notify=[{"command": ["./tell.sh", "{{ summary }}"]}])  # fmt: skip
    cli.write(simulated)
    secrets = {"OPENAI_API_KEY": CANARY, "SLACK_TOKEN": CANARY, "PGPASSWORD": PASSWORD, "ANYTHING": CANARY}

    with cli.background("run", "study.yaml", "-y", **secrets) as running:
        seen = b""
        while running.poll() is None:
            seen += _children_of(running.pid)
        run = cli.finish(running)

    told = (cli.folder / "told").read_text()
    assert 0 == run.code, run.err
    assert b"batchgen.sim" in seen
    assert "PATH=" in told
    assert "study: 1 saved" in told
    for secret in (CANARY, PASSWORD):
        assert secret not in told
        assert secret.encode() not in seen


def _children_of(pid: int) -> bytes:
    """Read the words and the environment of every child of a process that has become a program of its own."""
    found = b""
    own = _read(pid, "cmdline")
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in _read(f"{pid}/task/{task.name}", "children").decode().split():
            words = _read(child, "cmdline")
            found += words + _read(child, "environ") if words != own else b""
    return found


def _read(pid: int | str, name: str) -> bytes:
    try:
        return (Path("/proc") / str(pid) / name).read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.parametrize(
    ("text", "secret", "left"),
    [
        ("GET https://cdn.example/a/b.png?Expires=1&Signature=abcDEF failed", "abcDEF", "https://cdn.example/a/b.png?…"),
        (f"Authorization: Bearer {CANARY}", CANARY, "Bearer [redacted]"),
        (f"via http://ana:{PASSWORD}@proxy.example:3128/", PASSWORD, "@proxy.example:3128/"),
        (f"sent data:image/png;base64,{'QUJD' * 60}", "QUJD", "image/png"),
        (f"body {'QUJD' * 60}", "QUJD", "characters of base64"),
    ],
    ids=["signed URL", "Bearer", "proxy URL", "data URI", "base64 reference"],
)
def test_row_29_unknown_secrets_are_taken_out_of_text_by_their_shape(text: str, secret: str, left: str) -> None:
    """Host and path of an address stay, because they tell what was fetched."""
    shown = Redactor(()).text(text)

    assert secret not in shown
    assert left in shown


def test_row_29_a_signed_url_stands_in_one_private_column_until_the_image_is_saved(cli: CommandLine, vendor: Vendor) -> None:
    """Then the file itself holds it no more, not even where the page was freed; the answers for people never held it."""
    cli.write(study(vendor.url, ["a gate, signed", "a fox, signed"], output={"dir": "out", "sidecar": "json"}))

    run = cli("run", "study.yaml", "-y", "--record", "rec")
    cli("events", "--json"), cli("show", cli.jobs()[0]["key"], "--json"), cli("jobs")

    assert 0 == run.code, run.err
    assert [] == cli.leaks("Signature=")
    assert 0o600 == stat.S_IMODE((cli.folder / "batchgen.db").stat().st_mode)


def test_row_30_a_failing_statement_carries_no_values(tmp_path: Path) -> None:
    """SQLAlchemy hides parameters; a server is named without its password."""
    engine = open_engine(str(tmp_path / "jobs.db"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a UNIQUE)")
        with pytest.raises(IntegrityError) as refused:
            connection.exec_driver_sql("INSERT INTO t VALUES (?), (?)", (CANARY, CANARY))
    engine.dispose()

    assert CANARY not in str(refused.value)
    assert PASSWORD not in place_of(parse(f"postgresql://ana:{PASSWORD}@db.example/jobs"))


@pytest.mark.parametrize("model", [Manifest, RunSettings])
def test_row_30_a_failing_validation_carries_no_input(model: type[Manifest] | type[RunSettings]) -> None:
    """Pydantic hides what it was given."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"name": [CANARY], CANARY[:3]: CANARY, "provider": {"use": {"a": CANARY}}})

    assert CANARY not in str(refused.value)


def test_row_30_a_traceback_of_a_bug_shows_no_secret(cli: CommandLine) -> None:
    """A plugin breaks where nothing expects it and says all it knows: exit 1, and the trace is there without what must not be shown."""
    odd = "pa55/word+plus"
    source = (
        "from acme_batchgen import Acme\n"
        "import base64, os, urllib.parse\n"
        "class Dialect(Acme):\n"
        "    name = 'broken'\n"
        "    def complaints(self, *_, **__):\n"
        "        key = os.environ['ODD_KEY']\n"
        "        raise RuntimeError(' '.join([key, urllib.parse.quote(key, safe=''), base64.b64encode(b'x' + key.encode()).decode(),\n"
        "                                     os.environ['BATCHGEN_DB'], 'https://cdn.example/a?Signature=abcdef']))\n"
    )
    from tests.plugins.packages import PLUGIN  # noqa: PLC0415 - beside its use
    from tests.support.cli import ROOT  # noqa: PLC0415 - as above

    install(cli.folder / "packages", "broken", {"broken": source, "acme_batchgen": PLUGIN}, {"broken": "broken:Dialect"})
    cli.write(study("http://127.0.0.1:9", ["a gate"], provider={"use": "broken", "base_url": "http://127.0.0.1:9"},
                    defaults={"model": "acme-brush", "size": "512x512"}))  # fmt: skip
    variables = {
        "PYTHONPATH": f"{ROOT}:{cli.folder / 'packages'}",
        "ODD_KEY": odd,
        "BATCHGEN_DB": f"postgresql://ana:{PASSWORD}@127.0.0.1:9/x",
    }

    broken = cli("validate", "study.yaml", **variables)

    assert 1 == broken.code, broken.err
    assert "RuntimeError" in broken.err
    assert "this is a bug of batchgen" in broken.err
    for secret in (odd, "pa55%2Fword%2Bplus", "YTU1L3dvcmQrcGx1c", PASSWORD, "abcdef"):
        assert secret not in broken.err


# --- row 34: pages ---


class Tags(HTMLParser):
    """Collects the elements of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


def test_row_34_no_prompt_is_markup_or_script_in_the_report(cli: CommandLine) -> None:
    """The page has its own elements only; nothing but its own script and style may run, and nothing is loaded from elsewhere."""
    prompts = ["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "<!--", "<a href=javascript:alert(3)>x</a>"]
    cli.write(study("http://127.0.0.1:9", ["calm"], name="calm"), "calm.yaml")
    cli.write(study("http://127.0.0.1:9", prompts))
    for name, batch in (("calm.yaml", "calm"), ("study.yaml", "study")):
        assert 0 == cli("plan", name, "--save", "--offline").code
        assert 0 == cli("report", batch, "--output", batch).code

    calm, hostile = Tags(), Tags()
    calm.feed(cli.files()["calm/index.html"].decode())
    hostile.feed(cli.files()["study/index.html"].decode())

    assert [tag for tag, _ in calm.found] == [tag for tag, _ in hostile.found]
    assert not any(name.startswith("on") or name == "style" for _, attributes in hostile.found for name in attributes)
    (policy,) = (a["content"] for tag, a in hostile.found if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src 'self' data:; ")
    assert "unsafe" not in policy


# --- row 35: spreadsheets ---


def test_row_35_no_prompt_is_a_formula_in_a_spreadsheet(cli: CommandLine) -> None:
    """Every text is quoted, and one that begins like a formula has an apostrophe first; JSON lines keep it exactly."""
    prompts = [f"{char}HYPERLINK(0)" for char in "=+-@\t\r\n＝＋－＠"]  # noqa: RUF001 - spreadsheets read the full-width forms as well
    cli.write_text("".join(json.dumps({"p": prompt}) + "\n" for prompt in prompts), "prompts.jsonl")
    cli.write(study("http://127.0.0.1:9", [{"file": "prompts.jsonl", "prompt": "p"}]))
    assert 0 == cli("plan", "study.yaml", "--save", "--offline").code

    safe, exact = cli("export", "--excel-safe", "--output", "safe.csv"), cli("export", "--format", "jsonl")

    written = cli.files()["safe.csv"].decode()
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert (0, 0) == (safe.code, exact.code)
    assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in cells)  # noqa: RUF001 - as above
    assert all(f',"\'{prompt}",' in written for prompt in prompts)
    assert prompts == [line["prompt"] for line in exact.lines]


# --- row 36: text from strangers ---


def test_row_36_neither_prompt_nor_message_steers_terminal_or_log(cli: CommandLine) -> None:
    """Control and direction characters come out escaped on one line, in every answer for people; the log stays one JSON object a line."""

    def answer(request: Arrived) -> tuple[int, dict[str, str], bytes]:
        if request.method == "POST":
            return envelope({"task_id": "img_1", "status": "queued"})
        if "/images/" in request.path:
            return envelope({"task_id": "img_1", "status": "failed", "error_message": STEERING})
        return envelope({"balance": 100, "used_coin": 0, "available": 100, "unlimited": True})

    with open_host(answer) as host:
        cli.write(study(host.url, [STEERING], notify=[{"command": ["no\x1bsuch"]}]))
        cli.write(study(host.url, ["a gate"]), "odd\u202e.yaml")
        ran = cli("run", "study.yaml", "-y")
        key = cli.jobs()[0]["key"]
        commands = (["status"], ["jobs"], ["show", key], ["events"], ["verify"], ["validate", "study.yaml", "odd\u202e.yaml"])
        shown = [cli(*words) for words in commands]

    for said in (ran, *shown):
        assert [] == [char for char in said.out + said.err if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}]
        assert not any(line.startswith("FAKE") for line in (said.out + said.err).splitlines())
    lines = (cli.folder / "batchgen.log").read_bytes().split(b"\n")
    assert all(isinstance(json.loads(line), dict) for line in lines if line)
    assert not any(byte in b"".join(lines) for byte in (b"\x1b", "\u202e".encode()))


# --- row 37: the database ---


@pytest.mark.parametrize("word", ["'); DROP TABLE job; --", "%", "_", "' OR '1'='1"])
def test_row_37_a_filter_is_a_value_and_never_sql(cli: CommandLine, word: str) -> None:
    """Nothing fits it, nothing is dropped, and percent signs are no wildcards."""
    cli.write(study("http://127.0.0.1:9", ["a gate"]))
    cli("plan", "study.yaml", "--offline", "--save")

    listed = [cli("jobs", option, word, "--json") for option in ("--model", "--sweep", "--prompt-id")]
    decided = cli("cancel", "--batch", "study", "--key", word, "--reason", word, "-y")

    assert [[], [], []] == [answer.document["jobs"] for answer in listed]
    assert decided.code in {0, 2}
    assert {"planned": 1} == cli.states()


def _alter(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER sly AFTER UPDATE ON job BEGIN DELETE FROM attempt; END",
        "CREATE TEMP TABLE x (a); CREATE VIEW sly AS SELECT 1",
        "DROP VIEW v_jobs; CREATE VIEW v_jobs AS SELECT * FROM job",
        "DROP TRIGGER event_is_never_deleted",
        "DROP TRIGGER event_is_never_deleted; CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event BEGIN SELECT 1; END",
        "PRAGMA application_id = 7",
    ],
    ids=["foreign trigger", "foreign view", "altered view", "missing trigger", "altered trigger", "another program's"],
)
def test_row_37_a_file_that_would_act_on_its_own_is_refused(cli: CommandLine, statement: str) -> None:
    """Neither a reading nor a working command touches it: exit 7, told in a sentence, nothing sent."""
    with open_host(lambda _: (503, {}, b"")) as host:
        cli.write(study(host.url, ["a gate"]))
        cli("plan", "study.yaml", "--offline", "--save")
        _alter(cli.folder / "batchgen.db", statement)
        before = (cli.folder / "batchgen.db").read_bytes()
        ended = [cli(*words) for words in (["status"], ["resume", "-y"])]

    assert [7, 7] == [answer.code for answer in ended], ended[0].err
    assert not any("Traceback" in answer.err for answer in ended)
    assert before == (cli.folder / "batchgen.db").read_bytes()
    assert [] == host.seen


def test_row_37_connections_trust_no_schema_and_read_no_endless_value(tmp_path: Path) -> None:
    """A reader's and a writer's: functions of the file's own schema cannot run, and a value of 257 MiB is refused."""
    path = tmp_path / "jobs.db"
    writer = open_engine(str(path))
    reader = open_engine(str(path), readonly=True)
    names = ("trusted_schema", "cell_size_check", "secure_delete")
    found = []
    for engine in (writer, reader):
        with engine.connect() as connection:
            found.append([connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names[:2]])
            with pytest.raises(Exception, match="too big"):
                connection.exec_driver_sql(f"SELECT length(zeroblob({257 * 1024**2}))")
        engine.dispose()

    assert [[0, 1], [0, 1]] == found


# --- row 38: what lies in the working directory ---


def test_row_38_nothing_in_the_working_directory_is_read_unasked(cli: CommandLine) -> None:
    """A cloned repository brings variables, settings, modules and a plugin: none of them has any effect."""
    mark = "import pathlib; pathlib.Path('owned').touch()\n"
    for name in ("yaml.py", "click.py", "sitecustomize.py", "conftest.py", "migrations/env.py", "batchgen_plugins/evil.py"):
        cli.write_text(mark, name)
    cli.write_text("JIMMYAI_API_KEY=sk-evil000000\nBATCHGEN_DB=evil.db\n", ".env")
    cli.write_text("[alembic]\nscript_location = migrations\n", "alembic.ini")
    cli.write_text("[tool.batchgen]\ndb = 'evil.db'\n", "pyproject.toml")
    install(cli.folder, "evil", {"evil": mark}, {"evil": "evil:Dialect"})
    cli.write(study("http://127.0.0.1:9", ["a gate"]))

    planned = cli("plan", "study.yaml", "--offline", "--save")
    run = cli("run", "study.yaml", "-y", JIMMYAI_API_KEY=None)
    models = cli("models", "--offline", "--use", "evil")

    assert (0, 4, 2) == (planned.code, run.code, models.code), planned.err + run.err + models.err
    assert not (cli.folder / "owned").exists()
    assert not (cli.folder / "evil.db").exists()


def _line(text: bytes) -> bytes:
    return b"%08x %s\n" % (zlib.crc32(text), text)


@pytest.mark.parametrize(
    "content",
    [
        _line(b'{"mark":' + b"[" * 100_000),
        _line(b'{"mark": "uuid-of-ours", "run": "7", "event": []}'),
        _line(b'{"mark": "uuid-of-ours", "run": 7, "event": 1}')[:-9],
        b'00000000 {"mark": "uuid-of-ours", "run": 7, "event": 1}\n' + _line(b'{"intent": 1, "key": "k", "body": "b", "reserved": null}'),
        bytes(1 << 20),
    ],
    ids=["deep", "wrong types", "torn", "wrong check sum", "zeros"],
)
def test_row_38_a_journal_that_is_none_tells_nothing(tmp_path: Path, content: bytes) -> None:
    """A line that is torn, forged or not whole ends the reading: nothing behind it is believed, and nothing raises."""
    (tmp_path / journal.name_of("uuid-of-ours")).write_bytes(content)

    found = journal.read(tmp_path, "uuid-of-ours")

    assert ((), ()) == (found.entries, found.marks)


def test_row_38_lines_of_another_database_are_refused(tmp_path: Path) -> None:
    """A journal whose first line names another database is neither believed nor written over."""
    (tmp_path / journal.name_of("uuid-of-ours")).write_bytes(_line(b'{"mark": "uuid-of-others", "run": 7, "event": 1}'))

    with pytest.raises(FileError, match="another database"):
        journal.read(tmp_path, "uuid-of-ours")


# --- row 39: JSON ---


@pytest.mark.parametrize(
    "data",
    [
        b'{"task_id": "a", "cost": NaN}',
        b'{"task_id": "a", "task_id": "b"}',
        b"[" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
    ids=["NaN", "duplicate keys", "depth of a million", "depth that ends"],
)
def test_row_39_json_that_can_be_read_in_two_ways_or_not_at_all_is_no_answer(data: bytes) -> None:
    """S5 of an order: it may stand, and is held; P1 of a question: it is asked again."""
    bodies = [b'{"code": 20000, "msg": "ok", "data": ' + data + b"}"]

    assert {Unreadable} == {type(reading) for reading in _submitted(bodies)}
    assert {Trouble} == {type(reading) for reading in _polled(bodies)}


def test_row_39_other_encodings_are_no_answer() -> None:
    """UTF-16 and UTF-32 are JSON elsewhere; here the outcome is unknown."""
    text = '{"code": 20000, "msg": "ok", "data": {"task_id": "a"}}'
    bodies = [text.encode(name) for name in ("utf-16", "utf-16-le", "utf-32")]

    assert {Unreadable} == {type(reading) for reading in _submitted(bodies)}
    assert {Trouble} == {type(reading) for reading in _polled(bodies)}


def test_row_39_a_number_of_5000_digits_hides_no_id() -> None:
    """A senseless amount counts as unknown; the paid task beside it is found."""
    (reading,) = _submitted([b'{"code": 20000, "msg": "ok", "data": {"task_id": "img_1", "cost": ' + b"9" * 5000 + b"}}"])

    assert ("img_1", None) == (getattr(reading, "task_id", None), getattr(reading, "cost", "missing"))


def _submitted(bodies: list[bytes]) -> list[object]:
    return [jimmyai().read_submit(job(), Reply(status=200, headers={}, body=body)) for body in bodies]


def _polled(bodies: list[bytes]) -> list[object]:
    return [jimmyai().read_poll(job(task_id="img_1"), Reply(status=200, headers={}, body=body)) for body in bodies]


# --- row 40: hooks ---


def test_row_40_a_hook_is_words_and_no_shell(cli: CommandLine, vendor: Vendor) -> None:
    """Nothing in a word is carried out, whatever stands in it; without ``notify:`` nothing is started at all."""
    cli.write_text("precious", "kept")
    words = ["sh", "-c", 'printf "%s" "$1" > told', "sh", "{{ batch }}; rm kept $(touch owned) `touch owned` | tee owned"]
    cli.write(study(vendor.url, ["a gate, hook"], notify=[{"command": words}, {"command": ["rm kept"]}]))

    run = cli("run", "study.yaml", "-y")

    assert 0 == run.code, run.err
    assert "study; rm kept $(touch owned) `touch owned` | tee owned" == (cli.folder / "told").read_text()
    assert "precious" == (cli.folder / "kept").read_text()
    assert not (cli.folder / "owned").exists()


@pytest.mark.parametrize(
    ("section", "code"),
    [
        ('on_done: "rm {path}"', "E104"),
        ("notify: [{webhook: 'http://169.254.169.254/'}]", "E113"),
        ("notify: [{webhook: 'https://169.254.169.254/'}]", "E113"),
        ("notify: [{webhook: 'https://[::ffff:10.0.0.1]/'}]", "E113"),
        ("notify: [{webhook: 'http://localhost:2375/containers'}]", "E113"),
        ("notify: [{webhook: 'file:///etc/passwd'}]", "E113"),
        ("notify: [{url: 'http://169.254.169.254/'}]", "E104"),
        ('notify: [{command: "rm {{ path }}"}]', "E103"),
        ('notify: [{command: [rm, "{{ path }}"]}]', "E502"),
    ],
)
def test_row_40_there_are_no_other_hooks(desk: Desk, section: str, code: str) -> None:
    """No shell line, no path among the variables, no webhook that a request into our network could be sent through."""
    assert code in {problem.code for problem in desk.problems(f"prompts: [a]\n{section}\n")}


# --- row 41: floods ---


def test_row_41_a_million_addresses_are_cut() -> None:
    """At most 16 are looked at, which is n + 8 for the most images that any order may ask for; the answer itself has 1 MiB at most."""
    flood = {"task_id": "img_1", "status": "completed", "result": {"image_urls": [f"https://a/{i}" for i in range(50_000)]}}
    endless = {"task_id": "img_1", "status": "completed", "result": {"image_urls": [f"https://a/{i}" for i in range(1_000_000)]}}

    few, none = _polled([json.dumps({"code": 20000, "msg": "ok", "data": task}).encode() for task in (flood, endless)])

    assert isinstance(few, Done)
    assert 16 == MAX_IMAGES == len(few.urls)
    assert isinstance(none, Trouble)


def test_row_41_a_flood_of_progress_is_asked_for_ever_more_seldom() -> None:
    """A task that always tells of progress costs one question in fifteen seconds in the end, not one for each step."""
    gaps = [Latencies().next_wait_s(("m", ""), asked=asked, elapsed_s=1000.0, chance=0.5) for asked in range(1, 12)]

    assert gaps == sorted(gaps)
    assert 15.0 == pytest.approx(gaps[-1])


def test_row_41_progress_is_not_recorded(cli: CommandLine) -> None:
    """Each answer tells another progress and another 10,000 words: the job's story has its four events, and the log no line for each."""
    asked = 0

    def answer(request: Arrived) -> tuple[int, dict[str, str], bytes]:
        nonlocal asked
        if request.method == "POST":
            return envelope({"task_id": "img_1", "status": "queued"})
        if "/images/" in request.path:
            asked += 1
            status = "processing" if asked < 3 else "failed"
            return envelope({"task_id": "img_1", "status": status, "progress": asked, "steps": [{"n": n} for n in range(10_000)]})
        return envelope({"balance": 100, "used_coin": 0, "available": 100, "unlimited": True})

    with open_host(answer) as host:
        cli.write(study(host.url, ["a gate"]))
        run = cli("run", "study.yaml", "-y")

    events = [event["event"] for event in cli("events", "--jsonl").lines]
    assert 3 == run.code, run.err
    assert ["submit_started", "submit_accepted", "render_failed"] == [event for event in events if event != "drift_seen"]
    assert len(events) <= 8
    assert (cli.folder / "batchgen.db").stat().st_size < 400_000
