"""Random perspective transformation."""

import torch
from torch import Tensor
from torch.nn import functional as F

from striate.augment import Augment, draw_uniform


def random_perspective(images_NCHW: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Each corner moved inwards by up to strength x 10 % of the side; borders are reflected."""
    n, _, height, width = images_NCHW.shape
    inwards_N8 = draw_uniform(0, 0.2, 8 * n, generator).view(n, 8) * min(strength, 4.0)
    sources_N42 = CORNERS * (1 - inwards_N8.view(n, 4, 2))
    grid_NHW2 = _sampling_grid(_solve_homographies(sources_N42), height, width)
    return F.grid_sample(
        images_NCHW,
        grid_NHW2.to(images_NCHW),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )


def _solve_homographies(sources_N42: Tensor) -> Tensor:
    """Matrices N x 3 x 3 that map the corners of the output to these points of the input.

    Eight linear equations for eight entries, the ninth being 1 (Hartley and Zisserman, 4.1).
    """
    n = len(sources_N42)
    x_4, y_4 = CORNERS.double().unbind(dim=1)
    one_4, zero_4 = torch.ones_like(x_4), torch.zeros_like(x_4)
    sources = sources_N42.double()
    rows = []
    for axis, half in ((0, (x_4, y_4, one_4)), (1, (zero_4, zero_4, zero_4))):
        other = (zero_4, zero_4, zero_4) if axis == 0 else (x_4, y_4, one_4)
        target_N4 = sources[:, :, axis]
        left = torch.stack([*half, *other], dim=1).expand(n, 4, 6)
        right = torch.stack([-target_N4 * x_4, -target_N4 * y_4], dim=2)
        rows.append(torch.cat([left, right], dim=2))
    entries_N8 = torch.linalg.solve(torch.cat(rows, dim=1), sources.transpose(1, 2).reshape(n, 8))
    return torch.cat([entries_N8, torch.ones(n, 1).double()], dim=1).view(n, 3, 3)


def _sampling_grid(matrices_N33: Tensor, height: int, width: int) -> Tensor:
    """The input position, in [-1, 1], of every output pixel: N x H x W x 2."""
    down = (torch.arange(height, dtype=torch.float64) * 2 + 1) / height - 1
    across = (torch.arange(width, dtype=torch.float64) * 2 + 1) / width - 1
    y_HW, x_HW = torch.meshgrid(down, across, indexing="ij")
    points_HW3 = torch.stack([x_HW, y_HW, torch.ones_like(x_HW)], dim=2)
    mapped = torch.einsum("nij,hwj->nhwi", matrices_N33, points_HW3)
    return mapped[..., :2] / mapped[..., 2:]


CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]])

AUGMENT = Augment(
    name="perspective", title="Perspective", rank=45, apply=random_perspective, default_strength=1.0
)
