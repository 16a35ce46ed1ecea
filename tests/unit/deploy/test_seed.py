"""The invented people of `fairpool seed`: the same each time, and enough of them for two employers' lists."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from deploy.commands.seed import seed
from deploy.demo.seeding import COHORTS, FEWEST, Cohort, invent
from deploy.local import demo_tenants
from deploy.local.devfile import DevFile, DevOperator, ServiceUrls

NEEDED = 5


def test_the_same_seed_invents_the_same_people_and_more_of_them_begin_with_the_same() -> None:
    assert invent(60, seed=1) == invent(60, seed=1)
    assert invent(60, seed=1)[:FEWEST] == invent(FEWEST, seed=1)
    assert {one.mail for one in invent(60, seed=1)}.isdisjoint(one.mail for one in invent(60, seed=2))
    assert len({one.mail for one in invent(900, seed=1)}) == 900


@pytest.mark.parametrize("cohort", COHORTS, ids=lambda cohort: cohort.employer)
def test_more_than_five_count_toward_the_list_of_each_employer_whatever_the_seed(cohort: Cohort) -> None:
    employer = next(one for one in demo_tenants.EMPLOYERS if one.id == cohort.employer)
    assert demo_tenants.VENDORS[cohort.vendor].id == employer.vendor
    for number in range(20):
        count = 0
        for one in invent(FEWEST, seed=number):
            trade, place = one.profile.trade, one.profile.place
            fits = (trade, place) in cohort.among and "match" in one.choices["purposes"]
            stays = not one.is_paused and not one.leaves and employer.id not in one.choices.get("blocked_employers", ())
            count += fits and stays and cohort.vendor not in one.vendors
        assert count > NEEDED


def test_some_pause_block_leave_say_no_and_come_by_the_join_page() -> None:
    people = invent(FEWEST, seed=1)
    assert any(one.is_paused for one in people)
    assert any(one.leaves for one in people)
    assert any(one.choice == "nothing" for one in people)
    assert any(one.choices.get("blocked_employers") for one in people)
    assert 0 < sum(not one.vendors for one in invent(900, seed=1)) <= 6, "the join page takes 20 an hour"


def test_without_a_stack_it_says_how_to_start_one(tmp_path: Path) -> None:
    result = run("--home", str(tmp_path))
    assert result.exit_code == 8
    assert "fairpool dev --detach" in result.output


def test_a_stack_that_sends_to_a_real_relay_is_left_alone(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9"
    kept = tmp_path / "dev.json"
    dev = DevFile(
        services=ServiceUrls(signup=url, consent=url, pool_matching=url, outreach_gateway=url),
        mail="",
        kafka="",
        postgres="",
        redis="",
        vendors=(),
        employers=(),
        sources=(),
        operator=DevOperator(key="fp_operator_x"),
    )
    kept.write_text(dev.model_dump_json())
    result = run("--stack", str(kept), "--home", str(tmp_path))
    assert result.exit_code == 1
    assert "expected a mail catcher" in result.output


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(seed)
    return CliRunner().invoke(app, list(arguments))
