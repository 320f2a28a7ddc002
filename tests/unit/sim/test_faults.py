"""Tests of the fault plan: what the seed decides, and that no fault is left without meaning or means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.sim.delivery import RESPELT, SHAPED
from batchgen.sim.desk import MODERATED
from batchgen.sim.faults import FAULTS, POINTS, FaultError, FaultPlan, parse_single, share
from batchgen.sim.misbehaviour import ANSWERED, REFUSED, SERVED, UPLOADED
from batchgen.sim.profiles import PROFILES
from batchgen.sim.task import ENDINGS
from batchgen.sim.vendor import STRETCHES


def test_the_same_seed_gives_the_same_sequence() -> None:
    """Two plans of one seed agree at every ordinal."""
    one, other = FaultPlan.of(7, "storm"), FaultPlan.of(7, "storm")

    assert [one.draw("poll") for _ in range(500)] == [other.draw("poll") for _ in range(500)]


def test_another_seed_gives_another_sequence() -> None:
    """The seed matters."""
    one, other = FaultPlan.of(7, "storm"), FaultPlan.of(8, "storm")

    assert [one.draw("poll") for _ in range(500)] != [other.draw("poll") for _ in range(500)]


def test_points_do_not_disturb_each_other() -> None:
    """How often clients poll does not change which submits fail."""
    quiet, busy = FaultPlan.of(7, "storm"), FaultPlan.of(7, "storm")
    expected = [quiet.draw("post") for _ in range(50)]

    drawn = []
    for _ in range(50):
        busy.draw("poll")
        drawn.append(busy.draw("post"))

    assert expected == drawn


def test_calm_never_fails() -> None:
    """The profile without rates hands out nothing."""
    plan = FaultPlan.of(1, "calm")

    assert {None} == {plan.draw(point) for point in POINTS for _ in range(200)}


def test_a_rate_is_met_within_reason() -> None:
    """A fault of rate 0.1 hits about one draw in ten."""
    plan = FaultPlan.of(3, "calm", ["poll.500=0.1"])

    hits = sum(plan.draw("poll") == "poll.500" for _ in range(5000))

    assert 400 < hits < 600
    assert hits == plan.met["poll.500"]


def test_an_ordinal_hits_exactly_once() -> None:
    """`name@3` is the third occurrence and no other, whatever the profile says."""
    plan = FaultPlan.of(0, "calm", ["post.accept_then_reset@3", "post.accept_then_reset@5"])

    drawn = [plan.draw("post") for _ in range(6)]

    assert drawn == [None, None, "post.accept_then_reset", None, "post.accept_then_reset", None]


def test_a_bare_name_means_always() -> None:
    """A single fault without a rate meets every occurrence."""
    plan = FaultPlan.of(0, "calm", ["download.html"])

    assert {"download.html"} == {plan.draw("download") for _ in range(20)}


def test_a_single_fault_replaces_the_rate_of_the_profile() -> None:
    """`name=0` takes a fault out of a profile."""
    plan = FaultPlan.of(5, "rough", ["poll.reset=0"])

    assert "poll.reset" not in {plan.draw("poll") for _ in range(3000)}


def test_rates_above_one_are_refused() -> None:
    """Faults of one point share one draw, so their rates cannot add up to more than certainty."""
    with pytest.raises(FaultError, match="add up to"):
        FaultPlan.of(0, "calm", ["poll.500=0.7", "poll.502=0.7"])


@pytest.mark.parametrize(
    ("single", "message"),
    [
        ("post.acept_then_reset", "did you mean 'post.accept_then_reset'"),
        ("poll.500=1.5", "from 0 to 1"),
        ("poll.500=often", "from 0 to 1"),
        ("poll.500=nan", "from 0 to 1"),
        ("poll.500@0", "from 1"),
        ("poll.500@-1", "from 1"),
        ("poll.500@x", "from 1"),
    ],
)
def test_a_wrong_single_fault_is_refused(single: str, message: str) -> None:
    """The message says what would have been right."""
    with pytest.raises(FaultError, match=message):
        parse_single(single)


def test_an_unknown_profile_is_refused() -> None:
    """The nearest profile is suggested."""
    with pytest.raises(FaultError, match="did you mean 'rough'"):
        FaultPlan.of(0, "ruogh")


def test_every_fault_has_one_means() -> None:
    """Each name of the table is carried out in exactly one place, and nothing is carried out that has no name."""
    means = [*REFUSED, *ANSWERED, *UPLOADED, *SERVED, *ENDINGS, *STRETCHES, *SHAPED, *RESPELT, MODERATED]

    assert sorted(FAULTS) == sorted(means)


def test_profiles_name_known_faults_only() -> None:
    """A profile cannot ask for a fault that nobody carries out."""
    assert set() == {name for profile in PROFILES.values() for name in profile.rates} - set(FAULTS)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_makes_a_plan(profile: str) -> None:
    """The rates of each profile fit."""
    assert FaultPlan.of(0, profile).occurrences == {}


def test_rough_puts_no_paid_image_at_risk() -> None:
    """No fault of `rough` leaves the client in doubt about a submit or a paid task without its picture."""
    in_doubt = {name for name in FAULTS if name.startswith("post.accept_then")} | {"post.reset", "post.502"}
    lost = {"poll.unauthorized", *ENDINGS, "task.stuck", "sync.bad_base64", "sync.data_uri", "sync.moderated"}

    assert set() == set(PROFILES["rough"].rates) & (in_doubt | lost)


def test_doubt_bills_without_an_answer() -> None:
    """`doubt` consists of submits whose outcome the client cannot know."""
    assert all(name.startswith(("post.accept_then", "post.reset")) for name in PROFILES["doubt"].rates)


@given(st.integers(), st.text(), st.integers())
def test_a_share_lies_in_the_unit_interval(seed: int, name: str, ordinal: int) -> None:
    """Any seed and parts give a number in [0, 1), the same each time."""
    value = share(seed, name, ordinal)

    assert 0 <= value < 1
    assert value == share(seed, name, ordinal)
