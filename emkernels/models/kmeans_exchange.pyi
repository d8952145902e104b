from typing import Self

from sklearn.cluster import KMeans

class KMeansExchange:
    @classmethod
    def from_sklearn(cls, kmeans: KMeans) -> Self: ...
    def to_sklearn(self) -> KMeans: ...
