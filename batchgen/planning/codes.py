"""The stable codes of everything that can be wrong with a manifest. Messages may change; codes keep their meaning."""

from types import MappingProxyType
from typing import Final

CODES: Final = MappingProxyType(
    {
        "E100": "the manifest cannot be read",
        "E101": "the YAML is not well-formed",
        "E102": "a key stands twice in one mapping",
        "E103": "a value has the wrong type or is not one of the allowed ones",
        "E104": "an unknown key or parameter",
        "E105": "a needed key or value is missing",
        "E106": "aliases and merge keys are not read",
        "E107": "type tags are not read",
        "E108": "too deep or too big",
        "E109": "not UTF-8, or a character that must not occur",
        "E110": "a secret stands in the manifest",
        "E111": "keys that cannot stand together",
        "E112": "an environment variable is not set",
        "E113": "an address that is not allowed",
        "E201": "a prompt file cannot be read",
        "E202": "a prompt that cannot be sent: wrong encoding or a forbidden character",
        "E203": "a malformed row in a prompt file",
        "E204": "a column or key that the prompt file does not have",
        "E205": "an empty prompt",
        "E206": "a prompt source gives no prompt",
        "E207": "a reference image cannot be used",
        "E208": "two prompts of a sweep carry the same id",
        "E301": "an axis is empty or lists a value twice",
        "E302": "zip columns differ in length",
        "E303": "a parameter is an axis twice",
        "E304": "an exclude rule matches nothing",
        "E305": "an include adds a cell that exists already",
        "E306": "a prompt sets a parameter that is an axis of its sweep",
        "E307": "more rows than allowed",
        "E308": "no row is left",
        "E309": "an option of the command line cannot be used",
        "E310": "two sweeps carry the same name",
        "E401": "a combination that the model cannot do",
        "E402": "a prompt that makes a combination impossible",
        "E501": "a template is not well-formed or uses what is not allowed",
        "E502": "a template names an unknown variable",
        "E503": "a template's output is too long",
        "E504": "an output path that could leave its folder",
        "W201": "fewer prompts than asked for",
        "W202": "a column of parameters that the prompt file does not have",
        "W203": "prompt ids that repeat",
        "W301": "an override matches nothing",
        "W302": "rows that order the same thing again",
        "W401": "a remark of the vendor's rules, such as an unknown model",
    }
)
"""Code to one-line meaning, in the order of the documentation."""
