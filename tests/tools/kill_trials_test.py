import pytest

from tests.tools.kill_trials import COMMANDS, SETTINGS, all_trials, table


@pytest.mark.slow
@pytest.mark.parametrize("setting", [*SETTINGS, *COMMANDS])
def test_what_was_killed_at_25_moments_ends_as_what_was_not(setting, tmp_path):
    trials = all_trials(25, [setting], seed=1, folder=tmp_path)
    print(table(trials))
    assert [failure for of_setting in trials for failure in of_setting.failures] == []
    assert all(of_setting.dead >= 25 and of_setting.runs for of_setting in trials)
