"""From a text's hidden states to one vector: which layers are read, and how the vectors are centred and whitened."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

PARTS = {"last": ("last",), "cls": ("cls",), "emb": ("emb",), "cat": ("emb", "last")}


def read(pooled: dict[str, Tensor], name: str) -> Tensor:
    """The readout ``name`` [N, D] from pooled parts [N, H]: each part scaled to length 1, then set side by side."""
    return torch.cat([normalize(pooled[part], dim=-1) for part in PARTS[name]], dim=-1)


@dataclass
class Whitening:
    """An affine map fitted on training texts: one centre for queries, one for documents, one PCA-whitening matrix for
    both."""

    query_mean: Tensor
    """[D]"""
    document_mean: Tensor
    """[D]"""
    matrix: Tensor
    """[D, D]"""

    @classmethod
    def fit(cls, queries: Tensor, documents: Tensor, eps: float, whiten: bool = True) -> "Whitening":
        """Fit on training queries [P, D] and training documents [N, D]; without ``whiten`` the map changes nothing.

        The matrix turns the documents' covariance into (nearly) the identity; ``eps`` times the mean eigenvalue is
        added to every eigenvalue, so that directions without variance are not blown up."""
        size = documents.shape[1]
        if not whiten:
            none, same = torch.zeros(size, device=documents.device), torch.eye(size, device=documents.device)
            return cls(none, none, same)
        centred = (documents - documents.mean(0)).double()
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        matrix = vectors / (values.clamp(min=0) + eps * values.mean()).clamp(min=1e-12).sqrt()
        return cls(queries.mean(0), documents.mean(0), matrix.to(documents.dtype))

    def queries(self, vectors: Tensor) -> Tensor:
        """Centred and whitened queries [Q, D]."""
        return (vectors - self.query_mean) @ self.matrix

    def documents(self, vectors: Tensor) -> Tensor:
        """Centred and whitened documents [N, D]."""
        return (vectors - self.document_mean) @ self.matrix
