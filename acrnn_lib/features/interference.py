"""The interference of waves that are mixed, which the sum of their energies leaves out.

A filter bank on power is linear in the power, and the power of a sum of two spectra is
``|A + B|^2 = |A|^2 + |B|^2 + 2 Re(A B*)``. So the energies of two mixed waves are the sum of theirs
and of one more term, the filtered ``2 Re(A B*)``.

Notebook: 03_augmentation
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from ..config import FeatureConfig
from ..device import sent
from .frontend import context_frames, front_end


class Waves:
    """The waves behind ``segments.Segments``, cut at the same places.

    Parameters
    ----------
    copies : list of np.ndarray, shape (clips, samples), float16
        From ``store.load_waves``.
    rows : np.ndarray, shape (n,), int
        Which clips.
    features : FeatureConfig
    device : torch.device or str
        A CUDA device keeps all copies in its own memory; on a CPU they stay memory-mapped.

    Notebook: 03_augmentation
    """

    def __init__(self, copies: list[np.ndarray], rows: np.ndarray, features: FeatureConfig,
                 device: torch.device | str = "cpu"):
        self.config, self.device = features, torch.device(device)
        self.rows, self.copies = np.asarray(rows), copies
        if self.device.type == "cuda":
            self.rows = np.arange(len(rows))
            self.copies = [torch.from_numpy(copy[rows]).to(self.device) for copy in copies]
        self.front_end = front_end(features).to(self.device)
        self.context = context_frames(features)

    def spectra(self, rows: np.ndarray) -> torch.Tensor:
        """Spectra of the frames whose energies ``Segments.static_of`` gives.

        Parameters
        ----------
        rows : np.ndarray, shape (B, 3), int64
            Clip, copy and first frame, as of ``Segments.draw``.

        Returns
        -------
        torch.Tensor, shape (B, segment_frames + 2 context, bins), complex64
            Beyond the clip its edge frames are repeated.
        """
        c, half = self.config, self.config.n_fft // 2
        waves = [self.copies[copy][self.rows[clip]] for clip, copy, _ in rows]
        waves = (torch.stack(waves) if self.device.type == "cuda" else
                 torch.from_numpy(np.stack(waves)).to(self.device))
        frames = F.pad(waves.float(), (half, half), mode="reflect").unfold(1, c.n_fft, c.hop_length)
        length = c.segment_frames + 2 * self.context
        first = sent(rows[:, 2] - self.context, self.device)
        chosen = first[:, None] + torch.arange(length, device=self.device)
        chosen = chosen.clamp(0, frames.shape[1] - 1)
        each = torch.arange(len(rows), device=self.device)[:, None]
        return torch.fft.rfft(frames[each, chosen] * self.front_end.window)

    def interference(self, rows: np.ndarray, gain: torch.Tensor
                     ) -> Callable[[torch.Tensor], torch.Tensor]:
        """A function for ``augment.mix``: what two segments add to the sum of their energies.

        Parameters
        ----------
        rows : np.ndarray, shape (B, 3), int64
            As for ``spectra``.
        gain : torch.Tensor, shape (B, n_bands, segment_frames + 2 context), float32
            What was added to the log energies of each segment since, by filters and levels.

        Returns
        -------
        callable
            From the numbers (B,) of each segment's partner to half the interference of the two,
            shape of ``gain``, float32.
        """
        spectra = self.spectra(rows)

        def of(other):
            theirs = spectra[other]
            product = spectra.real * theirs.real + spectra.imag * theirs.imag
            filtered = self.front_end.power_weights @ product.transpose(1, 2)
            return filtered * ((gain + gain[other]) / 2).exp()

        return of
