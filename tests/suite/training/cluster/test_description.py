"""What a worker is compared by."""

from suite.training.cluster.description import differences, installed_targets


def test_what_differs_is_named():
    expected = {"python": "3.11.7", "torch": "2.4.1", "code of training": "0123456789"}
    assert differences(expected, expected) == ""
    found = {"python": "3.11.7", "torch": "2.3.0", "code of training": "abcdefghij"}
    assert differences(expected, found) == "torch 2.3.0 (here 2.4.1), code of training abcdefgh (here 01234567)"
    assert differences(expected, {"python": "3.11.7", "torch": "2.4.1"}) == "code of training none (here 01234567)"


def test_targets_whose_code_is_installed_apart():
    targets = [
        "pfml:PotentialFieldLoss",
        "my_losses/own.py:Own",
        "lib.losses:A + lib.miners:B",
        "baselines.hist:HISTLoss",
    ]
    assert installed_targets(targets) == ["lib.losses:A", "lib.miners:B"]
