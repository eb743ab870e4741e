"""What containers of the invented clusters asked for, used and cost in an hour, as Kubecost would say."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.reading.estate import SIDECAR, WORKLOADS, Numbers, Truths

VOLUME_GIB_HOUR = 0.00011  # USD

_CORE_HOUR, _GIB_HOUR, _TRANSFER_GB = 0.0313, 0.0042, 0.01
_SIDECAR_CORES, _SIDECAR_GIB = 0.05, 0.125
_DAEMON_CORES, _DAEMON_GIB = 0.1, 0.125
_CROSSING = 0.3  # of the bytes sent, that many go to another zone
_NOTHING = (
    "gpu_hours",
    "gpu_cost",
    "network_cross_region_cost",
    "network_internet_cost",
    "load_balancer_cost",
    "shared_cost",
)

Figures = NDArray[np.float64]


class PodFigures:
    """Figures drawn with *random*, as columns of `allocations`."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random

    def of_jobs(self, hours: Figures, lane: Numbers, member: Numbers, volume_gib: Figures) -> dict[str, pa.Array]:
        """Those of containers that ran so many *hours*, each the *member*th of the job in its *lane*."""
        of_lane = lane % len(WORKLOADS)
        cores = np.array([workload.cores for workload in WORKLOADS])[of_lane]
        gib = np.array([workload.gib for workload in WORKLOADS])[of_lane]
        is_sidecar = member == SIDECAR
        cores, gib = np.where(is_sidecar, _SIDECAR_CORES, cores), np.where(is_sidecar, _SIDECAR_GIB, gib)
        return self._columns(hours, cores, gib, ~is_sidecar, volume_gib)

    def of_daemons(self, count: int) -> dict[str, pa.Array]:
        """Those of daemons, which run all the time."""
        hours = np.ones(count)
        return self._columns(hours, _DAEMON_CORES * hours, _DAEMON_GIB * hours, hours > 0, 0 * hours)

    def _columns(
        self, hours: Figures, cores: Figures, gib: Figures, talks: Truths, volume_gib: Figures
    ) -> dict[str, pa.Array]:
        count = len(hours)
        cpu_asked, ram_asked = cores * hours, gib * hours
        cpu_used = cpu_asked * 1.2 * self._random.beta(5, 3, count)
        ram_used = ram_asked * self._random.beta(6, 2, count)
        cpu, ram = np.maximum(cpu_asked, cpu_used), np.maximum(ram_asked, ram_used)
        sent, received = (np.where(talks, np.floor(self._random.exponential(2e9, count) * hours), 0.0) for _ in "io")
        crossed = np.round(sent * _CROSSING * _TRANSFER_GB / 1e9, 5)
        costs = {
            "cpu_cost": np.round(cpu * _CORE_HOUR, 5),
            "ram_cost": np.round(ram * _GIB_HOUR, 5),
            "pv_cost": np.round(volume_gib * hours * VOLUME_GIB_HOUR, 5),
            "network_cost": crossed,
        }
        figures = {
            **dict.fromkeys(_NOTHING, np.zeros(count)),
            "cpu_core_hours": cpu,
            "cpu_core_request_hours": cpu_asked,
            "cpu_core_usage_hours": cpu_used,
            "ram_gib_hours": ram,
            "ram_gib_request_hours": ram_asked,
            "ram_gib_usage_hours": ram_used,
            "pv_gib_hours": volume_gib * hours,
            "network_transfer_bytes": sent,
            "network_receive_bytes": received,
            "network_cross_zone_cost": crossed,
            **costs,
            "total_cost": np.round(sum(costs.values()), 5),
        }
        return {name: pa.array(values) for name, values in figures.items()}
