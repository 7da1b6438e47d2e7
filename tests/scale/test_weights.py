"""Pieces of weights, by hand: which rows travel together, and that each comes exactly once, as it was."""

from dataclasses import replace

import pytest
import torch

from groupthink.records import Weights
from groupthink.scale import weights as module
from groupthink.scale.settings import TRANSPORTS
from groupthink.scale.weights import (
    Delivery,
    Rows,
    as_rows,
    assemble,
    deliver,
    packed,
    put_rows,
    require_delivered,
)


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """In place of Ray's: what is put is what is got."""
    monkeypatch.setattr(module, "_put", lambda arrays: [array.copy() for array in arrays])
    monkeypatch.setattr(module, "_got", lambda bucket, seconds, version: bucket.reference)


class Landing:
    """In place of the one that reads through NIXL: each bucket until the next one."""

    def __init__(self, device, most):
        self.memory = torch.empty(most, dtype=torch.uint8, device=device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, reference, size, seconds):
        assert len(reference) == size
        return self.memory[:size].copy_(reference)


@pytest.fixture(autouse=True)
def memory(monkeypatch):
    """In place of NIXL: what was put is where it was put."""
    monkeypatch.setattr(module.direct, "put", lambda bucket: bucket)
    monkeypatch.setattr(module.direct, "Landing", Landing)


def merged(deliveries):
    """As `Learners` makes one of what all ranks give."""
    return Delivery(deliveries[0].version, tuple(bucket for its in deliveries for bucket in its.buckets))


def tensors(dtype=torch.float32):
    torch.manual_seed(0)
    shapes = {"embed": (7, 3), "norm": (5,), "scale": ()}
    return {name: torch.randn(shape).to(dtype) for name, shape in shapes.items()}


def empty(dtype=torch.float32):
    return {name: torch.zeros_like(tensor) for name, tensor in tensors(dtype).items()}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_what_is_delivered_arrives_bit_for_bit_in_any_type(dtype, transport):
    sent, own = tensors(dtype), empty(dtype)
    sent["norm"][0] = float("nan")
    assemble(deliver(Weights(3, sent), transport), own, seconds=1)
    for name, tensor in sent.items():
        assert own[name].dtype == dtype
        assert own[name].reshape(-1).view(torch.uint8).tolist() == tensor.reshape(-1).view(torch.uint8).tolist()


def test_rows_are_cut_to_buckets_of_so_many_bytes():
    delivery = put_rows(0, [Rows("embed", 0, tensors()["embed"]), Rows("norm", 0, tensors()["norm"])], most=36)
    # A row of "embed" has 12 bytes, so three of them make a piece; "norm" has 20 bytes.
    spans = [[(piece.name, piece.first, piece.count) for piece in bucket.pieces] for bucket in delivery.buckets]
    assert spans == [[("embed", 0, 3)], [("embed", 3, 3)], [("embed", 6, 1), ("norm", 0, 5)]]


def test_a_row_that_is_larger_than_a_bucket_has_one_of_its_own():
    delivery = put_rows(0, [Rows("embed", 0, tensors()["embed"])], most=4)
    assert [piece.count for piece in delivery.pieces] == [1] * 7 and len(delivery.buckets) == 7
    assert packed([5, 1, 1], lambda item: item, 2) == [[5], [1, 1]]


def test_what_two_ranks_put_of_their_rows_is_one_delivery():
    sent, own = tensors(), empty()
    first = put_rows(2, [Rows("embed", 0, sent["embed"][:4]), Rows("norm", 0, sent["norm"][:3])], most=24)
    second = put_rows(
        2,
        [Rows("embed", 4, sent["embed"][4:]), Rows("norm", 3, sent["norm"][3:]), Rows("scale", 0, sent["scale"][None])],
    )
    told = []
    assemble(merged([second, first]), own, 1, lambda: told.append(1))
    assert all(own[name].equal(sent[name]) for name in sent)
    assert len(told) == len(first.buckets) + 1


def pieces_changed(**changes):
    """A delivery of two buckets of "norm" and one of the rest, of which the first is changed."""
    sent = tensors()
    norm = put_rows(1, [Rows("norm", 0, sent["norm"])], most=12)
    rest = put_rows(1, [Rows("embed", 0, sent["embed"]), Rows("scale", 0, sent["scale"][None])])
    (piece,) = norm.buckets[0].pieces
    changed = replace(norm.buckets[0], pieces=(replace(piece, **changes),))
    return Delivery(1, (changed, *norm.buckets[1:], *rest.buckets))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"first": 1}, "rows 0 to 1 of norm did not come"),
        ({"count": 2}, "rows 2 to 3 of norm did not come"),
        ({"count": 4}, "rows 3 to 4 of norm came twice"),
        ({"name": "other"}, "no such parameter"),
        ({"dtype": "bfloat16"}, "came in bfloat16"),
    ],
)
def test_rows_that_are_missing_or_come_twice_are_named_before_anything_is_written(changes, said):
    own = empty()
    with pytest.raises(ValueError, match=said):
        assemble(pieces_changed(**changes), own, 1)
    assert not any(tensor.any() for tensor in own.values())


def test_what_is_missing_at_the_end_or_beyond_it_is_named():
    whole = pieces_changed()
    with pytest.raises(ValueError, match="rows 3 to 5 of norm did not come"):
        assemble(Delivery(1, (whole.buckets[0], whole.buckets[2])), empty(), 1)
    beyond = put_rows(1, [Rows("norm", 5, tensors()["norm"])])
    with pytest.raises(ValueError, match="rows up to 10 of norm came, and it has 5"):
        assemble(merged([whole, beyond]), empty(), 1)


def test_a_value_that_changed_on_its_way_is_noticed():
    delivery = deliver(Weights(4, tensors()))
    delivery.buckets[0].reference[0][2] ^= 1
    with pytest.raises(RuntimeError, match=r"rows 0 to 7 of embed, of version 4, did not arrive as they were sent"):
        assemble(delivery, empty(), 1)


def test_what_is_read_where_it_lies_is_no_longer_the_learners():
    """Who learns on changes its parameters in place; who comes late reads those that were put."""
    sent, own = tensors(), empty()
    delivery = deliver(Weights(4, sent), "nixl")
    for tensor in sent.values():
        tensor += 1
    assemble(delivery, own, 1)
    assert all(own[name].equal(tensor) for name, tensor in tensors().items())


def test_rows_of_several_buckets_lie_in_one_piece_of_memory():
    """Which is told to NIXL once. What is 20 bytes long takes 32."""
    sent, own = tensors(), empty()
    held = [Rows(name, 0, as_rows(tensor)) for name, tensor in sent.items()]
    delivery = put_rows(4, held, most=36, transport="nixl")
    starts = [bucket.reference.storage_offset() for bucket in delivery.buckets]
    assert starts == [0, 48, 96] and len(delivery.buckets[0].reference.untyped_storage()) == 160
    told = []
    assemble(delivery, own, 1, lambda: told.append(1))
    assert all(own[name].equal(tensor) for name, tensor in sent.items()) and len(told) == 3


def test_a_byte_that_changed_where_it_lies_is_noticed():
    delivery = deliver(Weights(4, tensors()), "nixl")
    delivery.buckets[0].reference[100] ^= 1  # behind the 96 of "embed"
    with pytest.raises(RuntimeError, match=r"rows 0 to 5 of norm, of version 4, did not arrive"):
        assemble(delivery, empty(), 1)


def test_weights_are_compared_with_what_was_put_of_them():
    sent = Weights(4, tensors())
    delivery = deliver(sent)
    require_delivered(sent, delivery)
    with pytest.raises(RuntimeError, match="version 4, and the learner is at version 5"):
        require_delivered(replace(sent, version=5), delivery)
    sent.tensors["norm"][1] += 1
    with pytest.raises(RuntimeError, match="not the learner's: norm"):
        require_delivered(sent, delivery)
