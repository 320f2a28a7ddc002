"""The manifest, version 1, as a typed model. Its docstrings are the descriptions in the JSON Schema.

An empty value (``grid:`` with nothing behind it, or ``null``) is the same as leaving the key out.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from batchgen.core.limits import AmbiguousPolicy
from batchgen.planning.reader import Null
from batchgen.planning.scalars import (
    Amount,
    AutoCount,
    Count,
    Deadline,
    Duration,
    Literally,
    Name,
    OneValue,
    Rate,
    Text,
    Texts,
    Values,
    Whole,
    text,
    wrong,
)

FormatName = Literal["txt", "csv", "tsv", "jsonl", "json", "yaml", "whole"]
CellPolicy = Literal["error", "skip"]
Order = Literal["by_sample", "by_prompt", "by_cell", "coverage", "shuffle"]
Event = Literal["started", "finished", "halted", "interrupted", "stalled", "ambiguous", "budget"]


class Section(BaseModel):
    """A mapping of the manifest: unknown keys are errors, empty values are absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if not (isinstance(item, Null) and key in cls.model_fields)}


def _description(value: object) -> str | dict[str, object]:
    return value if isinstance(value, dict) else text(value)


Description = Annotated[
    str | dict[str, object],
    PlainValidator(_description),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
"""A vendor's description, or the path of a file that holds one; ``planning.vendors`` checks it."""


class Budget(Section):
    """Hard stops."""

    cost: Amount | None = None
    """In the provider's unit."""
    jobs: Count | None = None
    """Orders."""


class Key(Section):
    """One of several API keys of a provider, with limits of its own; `limits` hold for each key that says nothing else."""

    env: Text
    """The name of the environment variable that holds the key, never the key itself."""
    in_flight: Count | None = None
    """Remote tasks of this key alive at once."""
    submit_rate: Rate | None = None
    """Orders of this key a second, minute or hour."""
    budget: Budget = Budget()
    """Hard stops of what this batch orders with this key."""


class Provider(Section):
    """Who draws, and how to reach them. ``${VAR}`` and ``${VAR:-default}`` are read here."""

    use: Text = "jimmyai"
    """A dialect; `sim` is `jimmyai` against the embedded simulator."""
    api_key_env: Text | None = None
    """The name of the environment variable that holds the key, never the key itself; default: the dialect's, such as JIMMYAI_API_KEY."""
    keys: list[Key] = Field(default_factory=list)
    """Several keys instead of one. Workers take different ones; a key that is used up or refused is left, and the others go on."""
    base_url: Text | None = None
    """Where the API lives: https, or http on loopback; default: the dialect's, such as ${JIMMYAI_BASE_URL:-https://api.viraltok.ai}."""
    sync_base_url: Text | None = None
    """A second address for synchronous calls, if the vendor has one."""
    sim: dict[str, Text] = Field(default_factory=dict)
    """Options of the embedded simulator: profile, seed, latency and others."""
    vendor: Description | None = None
    """With use: http, the description of the vendor, the path of its file relative to the manifest, or the bare name of a shipped one
    (`fal-queue`, `replicate-predictions`). `vendor.v1.schema.json` explains its keys."""
    prices: dict[str, Amount] = Field(default_factory=dict)
    """Model: the highest price of one order, in the provider's unit. Your own list, stronger than any catalogue."""


class Reference(Section):
    """An image that prompts may refer to by name; its identity is the SHA-256 of its bytes, or its address."""

    path: Text | None = None
    """A PNG, JPEG or WebP file, relative to the manifest, below its folder or below `references_root`; symbolic links are refused."""
    url: Text | None = None
    """A public https address."""
    send: Literal["auto", "base64", "upload"] = "auto"
    """How a file travels: inside the request, by an upload, or as its size suggests. Operations that send files ignore it."""

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise wrong("needs exactly one of 'path' and 'url'", code="E105" if self.path is None else "E111")
        return self


class Item(Section):
    """One prompt with its own id, parameters and labels."""

    text: Literally
    """The prompt, literally."""
    id: Name | None = None
    """How the prompt is called in the job table and in file names; default: p and its place in the list."""
    params: dict[str, OneValue] = Field(default_factory=dict)
    """Parameters of this prompt alone; they must not name an axis of the sweep."""
    vars: dict[str, Text] = Field(default_factory=dict)
    """Labels stored with each row."""


class Pick(Section):
    """A choice among a file's rows, after `where`; the rows stay in the file's order."""

    sample: Count | None = None
    """So many rows, spread evenly by hash; more rows at the end of the file hardly change the choice."""
    seed: Whole = 0
    """Another seed is another sample."""
    first: Count | None = None
    """The first so many rows."""
    range: Text | None = None
    """Rows by number, counted from 1, both ends included: 100..199."""

    @model_validator(mode="after")
    def _has_one_choice(self) -> Self:
        if sum(choice is not None for choice in (self.sample, self.first, self.range)) != 1:
            raise wrong("needs exactly one of 'sample', 'first' and 'range'", code="E105")
        return self


class FileSource(Section):
    """Prompts from a file, or from all files that a glob matches, in natural order (p2 before p10).

    Always UTF-8; a byte order mark is dropped, CRLF is read as a line end, everything else is kept byte for byte.
    """

    file: Text
    """A path relative to the manifest, or absolute; * ? [ ] and ** make it a glob."""
    format: FormatName | None = None
    """Overrides the suffix. txt: one prompt a line, blank lines skipped. csv: RFC 4180 with a header. tsv: a header and no quoting.
    jsonl: one value a line. json, yaml: a list of texts or objects. whole: each file is one prompt (default for .md and .prompt)."""
    prompt: Text | None = None
    """The column or key of the prompt, or a JSON pointer such as /caption/en; default: the only column, or prompt or text."""
    id: Text | None = None
    """The column, key or pointer of the id; default: the file's name and the row's number."""
    items: Text | None = None
    """A JSON pointer to the list, when a json or yaml file does not begin with it."""
    vars: dict[str, Text] = Field(default_factory=dict)
    """Label: column. Each is stored with the row and may be used in output names."""
    params: dict[str, Text] = Field(default_factory=dict)
    """Parameter: column, where the file has it; an empty cell leaves the parameter alone."""
    where: dict[str, Texts] = Field(default_factory=dict)
    """Keeps the rows whose label or column has this value, or any of a list."""
    pick: Pick | None = None
    """Keeps some of those rows."""
    first: Count | None = None
    """Short for pick: {first: ...}."""
    range: Text | None = None
    """Short for pick: {range: ...}."""

    @model_validator(mode="after")
    def _picks_once(self) -> Self:
        if sum(choice is not None for choice in (self.pick, self.first, self.range)) > 1:
            raise wrong("takes one of 'pick', 'first' and 'range'", code="E111")
        return self

    @property
    def choice(self) -> Pick | None:
        """Give the pick, however it was written."""
        if self.first is None and self.range is None:
            return self.pick
        return Pick.model_construct(first=self.first, range=self.range)


class Lines(Section):
    """The lines of a text file as the values of a variable; blank lines are skipped."""

    lines: Text
    """A path relative to the manifest, or absolute."""


def _variable_kind(value: object) -> str:
    return "<lines>" if isinstance(value, dict | Lines) else "<list>"


Variable = Annotated[
    Annotated[Lines, Tag("<lines>")] | Annotated[Texts, Tag("<list>")],
    Discriminator(_variable_kind),
]


class TemplateSource(Section):
    """Prompts made from a text with `{{ variables }}`: the only place where braces are read in prompts."""

    template: Text
    """The text; each variable stands in `vars`."""
    vars: dict[str, Variable] = Field(default_factory=dict)
    """Variable: a list of values, or {lines: FILE}. Each value is stored as a label too."""
    combine: Literal["product", "zip"] = "product"
    """product: every combination, the first variable slowest. zip: lists of equal length, side by side."""
    id: Name | None = None
    """The beginning of the ids; default: t and the place in the list."""
    params: dict[str, OneValue] = Field(default_factory=dict)
    """Parameters of these prompts alone; they must not name an axis of the sweep."""


def _prompt_kind(value: object) -> str:
    if isinstance(value, str):
        return "<text>"
    if isinstance(value, FileSource) or (isinstance(value, dict) and "file" in value):
        return "<file>"
    if isinstance(value, TemplateSource) or (isinstance(value, dict) and "template" in value):
        return "<template>"
    return "<item>"


Source = Annotated[
    Annotated[Literally, Tag("<text>")]
    | Annotated[Item, Tag("<item>")]
    | Annotated[FileSource, Tag("<file>")]
    | Annotated[TemplateSource, Tag("<template>")],
    Discriminator(_prompt_kind),
]


def _no_lone_prompt(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Null):
        raise wrong("must be a list of prompts", hint="put '- ' before the prompt")
    return value


Sources = Annotated[tuple[Source, ...], Field(min_length=1), BeforeValidator(_no_lone_prompt)]


class Override(Section):
    """A change of parameters for the rows that match; it never adds or removes rows."""

    when: dict[str, Values] = Field(default_factory=dict)
    """Parameter: the value it must have, or a list of which any will do; nothing means every row."""
    set: dict[str, OneValue] = Field(default_factory=dict)
    """Parameters to set."""
    unset: Texts = ()
    """Parameters to leave to the API's own default."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.set and not self.unset:
            raise wrong("needs 'set' or 'unset'", code="E105")
        return self


class Grid(Section):
    """What a sweep and the short form share: prompts, and the cells that each is drawn in."""

    prompts: Sources | None = None
    """Bare texts, {id, text, params}, {file, ...} and {template, vars}, in any mixture."""
    grid: dict[str, Values] = Field(default_factory=dict)
    """Parameter: a list of values. Every combination is one cell; the first parameter is slowest."""
    zip: dict[str, Values] = Field(default_factory=dict)
    """Parameters side by side: lists of equal length that together are one more axis, the fastest."""
    exclude: tuple[dict[str, Values], ...] = ()
    """Removes the cells that match every key of an entry (a list means any of)."""
    include: tuple[dict[str, OneValue], ...] = ()
    """Adds one cell each, with exactly these parameters."""
    overrides: tuple[Override, ...] = ()
    """Changes parameters of matching rows, in order."""
    samples: Count = 1
    """Rows per prompt and cell."""


class Sweep(Grid):
    """Prompts times cells times samples."""

    name: Name | None = None
    """How the sweep is called in the job table and in file names; default: sweep and its place in the list."""
    priority: Whole = 0
    """Sweeps of a higher number run first; among equal ones `order` decides."""
    params: dict[str, OneValue] = Field(default_factory=dict)
    """Parameters of this sweep, stronger than `defaults`."""
    operation: Text | None = None
    """What this sweep orders; the same as `operation` among its `params`."""
    invalid_cells: CellPolicy | None = None
    """What becomes of combinations that the model cannot do; default: the manifest's."""


class Output(Section):
    """Where the images go."""

    dir: Text = "out/{{ batch }}"
    """A folder relative to the manifest, or absolute; or a place in an object storage, `s3://bucket/prefix` (also `gs://`, `az://`).
    It may use {{ batch }}."""
    name: Text = "{{ sweep }}/{{ prompt_id }}/{{ cell }}_s{{ sample }}_{{ key8 }}"
    """Path below `dir` without extension, from batch, sweep, prompt_id, prompt, operation, model, cell, sample, key, key8, parameters
    and labels."""
    sidecar: Literal["json", "none"] = "json"
    """Whether a description stands beside each image."""


class BatchBudget(Budget):
    """Hard stops of the whole batch."""

    per_day: Budget = Budget()
    """Hard stops of one UTC day."""


class ModelLimits(Section):
    """Limits of one model."""

    in_flight: Count | None = None
    """Remote tasks of this model alive at once."""
    submit_rate: Rate | None = None
    """Orders of this model a second, minute or hour."""
    budget: Budget = Budget()
    """Hard stops of this model; the other models go on."""


class Timeouts(Section):
    """How long to wait for what."""

    submit: Duration = 180.0
    """For the answer to an order."""
    task: Duration = 1800.0
    """For a remote task, before it counts as stalled."""
    download: Duration = 600.0
    """For one image."""


class Halt(Section):
    """When to stop by itself."""

    consecutive_failures: Count | None = None
    """So many jobs in a row ended without an image."""


class LimitSection(Section):
    """How much at once, how fast, how long and how far."""

    in_flight: AutoCount = None
    """Remote tasks alive at once, or auto: as many as the vendor is found to bear (default)."""
    submit_rate: Rate | None = None
    """Orders a second, minute or hour."""
    per_model: dict[str, ModelLimits] = Field(default_factory=dict)
    """Tighter limits of single models."""
    timeout: Timeouts = Timeouts()
    budget: BatchBudget = BatchBudget()
    deadline: Deadline | None = None
    """A local time of day or an instant: nothing is submitted after it, what runs is finished."""
    halt: Halt = Halt()


class BackoffSection(Section):
    """How long to wait between tries."""

    initial: Duration = 5.0
    """The longest wait after the first failed try; it doubles with each further one."""
    max: Duration = 900.0
    """Where the doubling ends."""


class Retry(Section):
    """How often to try an order that was provably not carried out."""

    attempts: Count = 5
    """Tries in all."""
    backoff: BackoffSection = BackoffSection()


class Notify(Section):
    """Whom to tell when something happened: a command (no shell) or a webhook. ``${VAR}`` is read here, at the time of the event."""

    events: Annotated[tuple[Event, ...], Field(min_length=1)] = ("finished", "halted")
    """started, finished, halted, interrupted; stalled: nothing was saved for `stalled_after`, though tasks are alive or orders pause;
    ambiguous: orders whose answer was lost, at most every ten minutes; budget: 80 % of `limits.budget.cost` are spent."""
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """The program and its arguments; they may use {{ batch }}, {{ event }} and {{ summary }}."""
    webhook: Text | None = None
    """An https address in public that gets the event as JSON; while the vendor is on loopback, one on loopback, which may be http. Keep
    a secret part of it in a variable: ${VAR}."""
    stalled_after: Duration = 900.0
    """How long nothing is saved before that is an event."""

    @model_validator(mode="after")
    def _has_one_receiver(self) -> Self:
        if (self.command is None) == (self.webhook is None):
            raise wrong("needs exactly one of 'command' and 'webhook'", code="E105" if self.command is None else "E111")
        return self


class Shuffle(Section):
    """A random but repeatable order."""

    shuffle: Whole
    """The seed: the same one gives the same order."""


def _order_kind(value: object) -> str:
    return "<seeded>" if isinstance(value, dict | Shuffle) else "<word>"


class Manifest(Grid):
    """One batch: what to draw, in which combinations, how, where to and under which limits."""

    version: Annotated[Literal["1"], WithJsonSchema({"enum": [1, "1"]})]
    """The manifest contract: 1."""
    name: Name
    """Names the batch in the job database."""
    tags: Texts = ()
    """Labels of the batch, never part of a job's identity."""
    metadata: dict[str, Text] = Field(default_factory=dict)
    """Anything worth keeping with the batch."""
    provider: Provider = Provider()
    defaults: dict[str, OneValue] = Field(default_factory=dict)
    """Parameters of every row, weakest of all."""
    operation: Text | None = None
    """What is ordered: image, generate, edit or another of the vendor's operations; the same as `operation` among the `defaults`."""
    references: dict[str, Reference] = Field(default_factory=dict)
    """Images by name, for `images`, `mask` and the vendor's other parameters that take reference images."""
    references_root: Text | None = None
    """A further folder that references may lie below, relative to the manifest; default: the manifest's folder alone."""
    sweeps: Annotated[tuple[Sweep, ...], Field(min_length=1)] | None = None
    """Several sweeps; without it, prompts and grid at the top are one sweep named after the batch."""
    invalid_cells: CellPolicy = "error"
    """error, or skip: combinations that the model cannot do are left out and counted."""
    duplicates: Literal["keep", "merge"] = "keep"
    """keep: n equal orders are n rows. merge: one row."""
    output: Output = Output()
    limits: LimitSection = LimitSection()
    order: Annotated[
        Annotated[Order, Tag("<word>")] | Annotated[Shuffle, Tag("<seeded>")],
        Discriminator(_order_kind),
    ] = "by_sample"
    """by_sample: first one image of everything. by_prompt, by_cell: finish one before the next. coverage: whatever has run so far shows
    every value of every axis about equally often. shuffle, or {shuffle: SEED}."""
    on_ambiguous: AmbiguousPolicy = "hold"
    """What happens to an order whose answer was lost: hold it, reconcile with the balance, or order again."""
    retry: Retry = Retry()
    notify: tuple[Notify, ...] = ()


TAGS: Final = {"<item>": Item, "<file>": FileSource, "<template>": TemplateSource, "<lines>": Lines, "<seeded>": Shuffle}
"""The section behind each tag that a choice leaves in the place of an error."""

SHORT_FORM: Final = tuple(Grid.model_fields)
"""The top-level keys that are one sweep."""
