"""What the vendor is known to refuse of a video order, before anything is spent."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from batchgen.api.dialects.jimmyai.fields import Field
from batchgen.api.dialects.jimmyai_video.families import AUDIOS, FAMILIES, IMAGES, PARAMS, ROLES, VIDEOS, Family, Role, family_of
from batchgen.core.dialects import Complaint, Model, Reference
from batchgen.core.jobs import Params

OPERATIONS: Final = ("video",)


def complaints(params: Params, *, operation: str, prompt_chars: int, references: Sequence[Reference]) -> Sequence[Complaint]:
    """List what the vendor is known to refuse in this combination; warnings pass."""
    if operation not in OPERATIONS:
        return [Complaint(param="operation", message=f"{operation!r} is not an operation of jimmyai-video", hint="use video")]
    name = params.get("model", "")
    family = family_of(name)
    if family is None:
        return [_without_family(name)]
    return [
        *_stranger(family, name),
        *_field_complaints(family, name, params),
        *_prompt_complaints(family, prompt_chars),
        *_role_complaints(family, references),
        *_exclusions(family, params, references),
        *_asset_complaints(name, references),
    ]


def _without_family(name: str) -> Complaint:
    known = "; ".join(f"{family.title}: {', '.join(family.models)}" for family in FAMILIES)
    message = f"model {name!r} belongs to no known family, so where to order it is unknown" if name else "no model is named"
    return Complaint(param="model", message=message, hint=known)


def _stranger(family: Family, name: str) -> Iterator[Complaint]:
    if not family.knows(name):
        message = f"model {name!r} is unknown; by its name it is ordered and checked as {family.title}"
        yield Complaint(param="model", message=message, hint=f"known are {', '.join(family.models)}", severity="warning")


def _field_complaints(family: Family, name: str, params: Params) -> Iterator[Complaint]:
    fields = family.fields_of(name)
    for param, value in params.items():
        if param in ROLES or param == "model":
            continue
        field = fields.get(param)
        if field is None:
            yield _not_a_field(family, param)
        elif not field.fits(value):
            yield _misfit(family, name, field, value)
    for param in family.required:
        if param not in params:
            yield Complaint(param=param, message=f"{name} needs {param}", hint=f"{name} takes {fields[param].takes}")


def _misfit(family: Family, name: str, field: Field, value: str) -> Complaint:
    message = f"{name} does not take {field.name} {value!r}"
    if field.name in family.unsure:
        message = f"most models of {family.title} do not take {field.name} {value!r}"
        return Complaint(param=field.name, message=message, hint=f"most take {field.takes}", severity="warning")
    return Complaint(param=field.name, message=message, hint=f"{name} takes {field.takes}")


def _not_a_field(family: Family, param: str) -> Complaint:
    if param == "n":
        return Complaint(param="n", message="n cannot be set: one row is one video", hint="use samples")
    if param not in PARAMS:
        return Complaint(param=param, message=f"{param!r} is not a parameter of jimmyai-video", hint=f"known are {', '.join(PARAMS)}")
    fields = ", ".join(entry.name for entry in family.fields)
    return Complaint(param=param, message=f"{param} is not a field of {family.title}", hint=f"{family.title} takes {fields}")


def _prompt_complaints(family: Family, prompt_chars: int) -> Iterator[Complaint]:
    if prompt_chars == 0:
        yield Complaint(param="prompt", message=f"{family.title} needs a prompt")
    if family.max_prompt_chars is not None and prompt_chars > family.max_prompt_chars:
        hint = f"{family.title} takes at most {family.max_prompt_chars}"
        yield Complaint(param="prompt", message=f"the prompt has {prompt_chars} characters", hint=hint)


def _role_complaints(family: Family, references: Sequence[Reference]) -> Iterator[Complaint]:
    counts = {role: sum(reference.role == role for reference in references) for role in family.roles}
    for role in dict.fromkeys(reference.role for reference in references):
        if role not in family.roles:
            roles = ", ".join(family.roles) or "no references"
            yield Complaint(param=role, message=f"{role} is not a role of {family.title}", hint=f"{family.title} takes {roles}")
    for role, count in counts.items():
        yield from _count_complaints(family, role, family.roles[role], count)
    for reference in references:
        if reference.role in {VIDEOS, AUDIOS} and reference.facts is not None:
            message = f"the reference {reference.name!r} is a file; {reference.role} travel by address only"
            yield Complaint(param=reference.role, message=message, hint="name a public https address")


def _count_complaints(family: Family, name: str, role: Role, count: int) -> Iterator[Complaint]:
    if role.most is not None and count > role.most:
        yield Complaint(param=name, message=f"{count} references in {name}", hint=f"{family.title} takes at most {role.most}")
    if count < role.least:
        yield Complaint(param=name, message=f"{family.title} needs {role.least} in {name}", hint=f"set {name}")


def _exclusions(family: Family, params: Params, references: Sequence[Reference]) -> Iterator[Complaint]:
    given = {*params, *(reference.role for reference in references)}
    pairs = (*family.exclusive, *((role, IMAGES) for role in family.apart))
    for one, other in pairs:
        if one in given and other in given:
            yield Complaint(param=one, message=f"{one} and {other} exclude each other", hint=f"leave one of them out for {family.title}")
    if "ratio" in params and "orientation" in params:
        message = "orientation is ignored beside a ratio"
        yield Complaint(param="orientation", message=message, severity="warning")


def _asset_complaints(name: str, references: Sequence[Reference]) -> Iterator[Complaint]:
    if references and fnmatchcase(name, "sd2_mx_*"):
        message = f"{name} takes reviewed asset:// ids only, which cannot be named here"
        yield Complaint(param=references[0].role, message=message, hint="use another Seedance 2.0 model", severity="warning")


def _model(family: Family, name: str) -> Model:
    fields, images = family.fields_of(name), family.roles.get(IMAGES)
    remarks = [family.title, *(remark for pattern, remark in family.remarks.items() if fnmatchcase(name, pattern))]
    most = None if images is None else images.most
    return Model(
        name=name,
        operations=OPERATIONS,
        ratios=_shown(fields, "ratio"),
        resolutions=_shown(fields, "resolution"),
        sizes=_shown(fields, "size"),
        durations=_shown(fields, "duration"),
        max_references=most or 0,
        max_prompt_chars=family.max_prompt_chars,
        remarks="; ".join(remarks),
    )


def _shown(fields: Mapping[str, Field], name: str) -> tuple[str, ...]:
    """Give what a field takes as a short list; a form stands there in words."""
    field = fields.get(name)
    if field is None:
        return ()
    spans = () if field.bounds is None else (f"{field.bounds[0]}-{field.bounds[1]}",)
    return (*field.values, *spans, *((field.described,) if field.described else ())) or ("any",)


MODELS: Final = tuple(_model(family, name) for family in FAMILIES for name in family.models)
"""The known models; a name with a star stands for all names of that form."""
