import pytest
import timm.models
import torch
from torch import Tensor, nn

from striate.errors import ModelError
from striate.weights.fitting import adapt_first_kernel, fit_weights


def small(channels: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 1))


def tensors(net: nn.Module) -> dict[str, Tensor]:
    return {
        name: torch.full_like(tensor, k + 1) for k, (name, tensor) in enumerate(_items(net).items())
    }


def _items(net: nn.Module) -> dict[str, Tensor]:
    return dict(net.state_dict())


def taken(net: nn.Module, given: dict[str, Tensor]) -> bool:
    return all(torch.equal(net.state_dict()[name], given[name]) for name in net.state_dict())


@pytest.mark.parametrize("front", ["", "module.", "model.", "module.model.", "_orig_mod.", "net."])
def test_what_all_names_have_in_front_is_taken_off(front: str) -> None:
    net, given = small(), tensors(small())
    also = {"loss.weight": torch.zeros(3), "metric": torch.zeros(1)} if front else {}
    named = {f"{front}{name}": tensor for name, tensor in given.items()}
    assert fit_weights(net, {**also, **named}, "a file") == ()
    assert taken(net, given)


def test_weights_win_over_a_copy_of_them_under_another_front() -> None:
    net, given = small(), tensors(small())
    copy = {f"average.model.{name}": tensor + 9 for name, tensor in given.items()}
    fit_weights(net, {**copy, **{f"model.{k}": v for k, v in given.items()}}, "a file")
    assert taken(net, given)


def test_tensors_of_other_names_are_taken_in_order_with_a_classifier_after_them() -> None:
    net, given = small(), tensors(small())
    other = {f"other{k}": tensor for k, tensor in enumerate(given.values())}
    del other["other6"]  # how many batches were seen stands there under no name that tells
    given = {name: tensor for name, tensor in given.items() if "num_batches" not in name}
    (note,) = fit_weights(net, {**other, "last": torch.zeros(9, 5)}, "a file")
    assert note.code == "weights.head"
    assert all(torch.equal(net.state_dict()[name], given[name]) for name in given)


def test_files_that_do_not_count_batches_fit() -> None:
    net, given = small(), tensors(small())
    del given["1.num_batches_tracked"]
    fit_weights(net, given, "a file")
    assert torch.equal(net.state_dict()["0.weight"], given["0.weight"])


def test_the_first_tensors_that_do_not_fit_are_named() -> None:
    given = tensors(small())
    del given["0.bias"]
    given["2.weight"] = torch.zeros(5, 4, 3, 3)
    given["3.weight"] = torch.zeros(7)
    with pytest.raises(ModelError) as caught:
        fit_weights(small(), given, "FILE")
    assert "FILE do not match the network: 0.bias is missing" in caught.value.sentence
    assert "2.weight has the shape 5x4x3x3" in caught.value.sentence
    assert "3.weight is too many" in caught.value.sentence
    assert "--net" in caught.value.hint


def test_no_more_than_three_are_named() -> None:
    with pytest.raises(ModelError, match=r"another network.*and 5 more"):
        fit_weights(small(), {"weight": torch.zeros(3, 3)}, "FILE")


def test_a_network_that_is_part_of_a_deeper_one_is_not_taken_for_it() -> None:
    given = tensors(nn.Sequential(*small(), nn.Conv2d(5, 5, 1)))
    with pytest.raises(ModelError, match=r"3\.weight is too many"):
        fit_weights(small(), given, "FILE")
    other = {f"other{k}": tensor for k, tensor in enumerate(given.values())}
    with pytest.raises(ModelError, match=r"is too many|the network needs"):
        fit_weights(small(), other, "FILE")


def test_a_head_is_left_out_with_a_sentence() -> None:
    given = tensors(small())
    head = {"fc.weight": torch.zeros(9, 5), "fc.bias": torch.zeros(9)}
    (note,) = fit_weights(small(), {**given, **head}, "FILE", list(head))
    assert "fc.bias" in note.text


def test_whole_numbers_are_no_weights() -> None:
    given = tensors(small())
    given["0.weight"] = given["0.weight"].to(torch.int8)
    with pytest.raises(ModelError, match=r"0\.weight holds int8 numbers"):
        fit_weights(small(), given, "FILE")


def test_half_precision_is_widened() -> None:
    net, given = small(), tensors(small())
    fit_weights(net, {name: t.half() for name, t in given.items()}, "FILE")
    assert net[0].weight.dtype == torch.float32
    assert taken(net, given)


@pytest.mark.parametrize("had", [1, 3, 4, 6])
@pytest.mark.parametrize("channels", [1, 3, 4, 5])
def test_a_first_layer_of_other_channels_is_adapted_as_timm_does(had: int, channels: int) -> None:
    kernel = torch.randn(4, had, 3, 3, generator=torch.Generator().manual_seed(0))
    expected = timm.models.adapt_input_conv(channels, kernel.clone(), base_chans=had)
    assert torch.allclose(adapt_first_kernel(kernel, channels), expected)


def test_grey_weights_see_grey_images_of_three_channels_as_before() -> None:
    grey, net = small(1), small(3)
    (note,) = fit_weights(net, dict(grey.state_dict()), "FILE")
    assert note.code == "weights.channels"
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(net[0](images.expand(-1, 3, -1, -1)), grey[0](images), atol=1e-5)


def test_a_file_that_lacks_tensors_is_to_be_replaced_by_a_whole_one() -> None:
    net = small()
    given = {name: tensor for name, tensor in tensors(net).items() if name != "2.bias"}
    with pytest.raises(ModelError, match=r"2\.bias is missing") as caught:
        fit_weights(net, given, "FILE")
    assert "holds all tensors" in caught.value.hint
    wrong = {**tensors(net), "2.weight": torch.zeros(5, 4, 3, 3)}
    with pytest.raises(ModelError) as caught:
        fit_weights(net, wrong, "FILE")
    assert "--net" in caught.value.hint
    assert "all tensors" not in caught.value.hint
