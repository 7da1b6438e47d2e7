import pytest
import torch

from groupthink.rollout import checksum as module
from groupthink.rollout.checksum import BLOCK, checksum, checksums, of_whole


@pytest.fixture(params=["C", "torch"], autouse=True)
def taken_by(request, monkeypatch):
    """Each test twice: a processor of a GPU, or another Python, has torch's operations alone."""
    if request.param == "torch":
        monkeypatch.setattr(module, "library", lambda: None)
    elif module.library() is None:
        pytest.skip("checksum.c was not compiled")


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.int8, torch.int64]
)
@pytest.mark.parametrize(("place", "columns"), [((0, 0), None), ((3, 0), None), ((2, 5), 40)])
def test_c_and_torch_find_the_same(dtype, place, columns, monkeypatch):
    torch.manual_seed(0)
    tensor = (torch.randn(61, 13) * 50).to(dtype)
    tensor[7] = -torch.zeros(13).to(dtype)
    found = [checksum(it, place, columns) for it in (tensor, tensor.T, tensor[::2], tensor[:0], tensor[5, 5])]
    monkeypatch.setattr(module, "library", lambda: None)
    assert [checksum(it, place, columns) for it in (tensor, tensor.T, tensor[::2], tensor[:0], tensor[5, 5])] == found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_checksum_sees_the_last_bit_of_any_element_and_where_it_stands(dtype: torch.dtype):
    torch.manual_seed(0)
    tensor = torch.randn(37, 11).to(dtype)
    right = checksum(tensor)
    assert checksum(tensor.clone()) == right and 0 <= right < 2**64
    for place in ((0, 0), (20, 5), (36, 10)):
        other = tensor.clone()
        other[place] = torch.nextafter(other[place], other.new_tensor(9.0))
        assert checksum(other) != right
    assert checksum(tensor.flip(0)) != right
    assert checksum(torch.cat([tensor, tensor.new_zeros(1, 11)])) != right


def test_it_is_that_of_the_values_however_they_lie():
    tensor = torch.arange(12.0).view(3, 4)
    assert checksum(tensor.T) == checksum(tensor.T.contiguous()) != checksum(tensor)
    assert checksum(torch.tensor([0.0, -0.0])) == checksum(torch.zeros(2))
    assert checksum(torch.nn.Parameter(tensor)) == checksum(tensor)


def test_it_does_not_depend_on_how_the_elements_are_cut_into_blocks():
    """By hand: SplitMix64 of the word and its place, summed."""
    tensor = torch.arange(BLOCK + 3, dtype=torch.float32)
    words = tensor.view(torch.int32).tolist()
    mask, total = 2**64 - 1, 0
    for place, word in enumerate(words, 1):
        z = (word + place * 0x9E3779B97F4A7C15) & mask

        def shift(z: int, by: int) -> int:  # with the sign, as torch does
            signed = z - 2**64 if z >> 63 else z
            return (z ^ (signed >> by)) & mask

        z = shift(z, 30) * 0xBF58476D1CE4E5B9 & mask
        z = shift(z, 27) * 0x94D049BB133111EB & mask
        total += shift(z, 31)
    assert checksums({"a": tensor}) == {"a": total & mask}


def test_shards_add_up_to_the_whole():
    whole = torch.randn(12, 10)
    upper, left, right = whole[:7], whole[7:, :4], whole[7:, 4:]
    shards = [(upper, (0, 0), None), (left, (7, 0), 10), (right, (7, 4), 10)]
    told = [{"w": (place, checksum(tensor, place, columns))} for tensor, place, columns in shards]
    assert of_whole(told) == {"w": checksum(whole)}
    assert of_whole([*told, told[0]]) == {"w": checksum(whole)}  # two may hold the same rows
    assert of_whole(told[1:]) != {"w": checksum(whole)}
    stale = {"w": ((0, 0), checksum(upper + 1))}
    assert of_whole([*told, stale]) == {"w": -1}


def test_shards_of_many_blocks_add_up():
    whole = torch.randn(3, BLOCK)
    told = [{"w": ((0, at), checksum(whole[:, at:end], (0, at), BLOCK))} for at, end in ((0, 1000), (1000, BLOCK))]
    assert of_whole(told) == {"w": checksum(whole)}
    bias = torch.randn(9)
    told = [{"b": ((at, 0), checksum(bias[at : at + 3], (at, 0)))} for at in (0, 3, 6)]
    assert of_whole(told) == {"b": checksum(bias)}
