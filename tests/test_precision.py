"""Which devices compute in 16 bits, and that autocast is asked for there and nowhere else."""

import pytest
import torch

from course_lib.precision import CPU, half_of, mixed


@pytest.mark.parametrize(
    ("generation", "wanted"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_a_gpu_computes_in_the_sixteen_bits_of_its_generation(monkeypatch, generation, wanted):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: generation)
    assert half_of(torch.device("cuda")) == wanted


def test_apples_gpus_keep_to_thirty_two():
    assert half_of(torch.device("mps")) == torch.float32


@pytest.mark.parametrize(("faster", "wanted"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_processor_slower_in_sixteen_bits_keeps_to_thirty_two(monkeypatch, faster, wanted):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: faster)
    assert half_of(CPU) == wanted
    with mixed():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == wanted
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_the_question_has_an_answer_on_this_processor():
    assert torch.cpu._is_amx_tile_supported() in (True, False)
