"""Named random streams."""

from suite.randomness import entropy, stream, torch_seed


def test_a_stream_belongs_to_its_words():
    first = stream("noise", "emoji", 0.2, 0).random(5).tolist()
    stream("batches", "emoji", 0).random(5)
    assert stream("noise", "emoji", 0.2, 0).random(5).tolist() == first
    others = [("noise", "emoji", 0.2, 1), ("noise", "emoji", 0.20001, 0), ("emoji", "noise", 0.2, 0)]
    assert all(stream(*words).random(5).tolist() != first for words in others)


def test_words_do_not_run_together():
    assert entropy("a", "bc") != entropy("ab", "c") != entropy("abc")


def test_draws_are_pinned():
    # Other draws would silently unpair new records from old ones.
    assert torch_seed("head", "emoji", 0) == 6663266394062857101
    assert stream("batches", "emoji", 0).integers(0, 1000, 4).tolist() == [428, 203, 571, 204]
