"""The pods of a Flink application on the EMR runtime."""

from dataclasses import dataclass, replace

from pipeline.demo.estate.cluster import MINUTE, Controller, Pod, Pool, Span, Traffic, Workload
from pipeline.demo.estate.identifiers import base36, hexadecimal, uuid
from pipeline.demo.estate.spark import Size, container

_JOB_MANAGER = Size(1, 2)
_TASK_MANAGER = Size(1.5, 6)


@dataclass(frozen=True)
class FlinkDeployment:
    """One FlinkDeployment of the Flink operator."""

    name: str
    namespace: str
    life: Span
    pool: Pool
    task_managers: int

    @property
    def internal_id(self) -> str:
        """The EMR runtime's own id of the application."""
        return hexadecimal(32, "internal id", self.namespace, self.name, self.life.start.isoformat())

    def pods(self) -> tuple[Pod, ...]:
        """The job manager, then the task managers, which Kubecost sees without a controller."""
        return (self._job_manager(), *(self._task_manager(number) for number in range(1, self.task_managers + 1)))

    def _job_manager(self) -> Pod:
        template = hexadecimal(10, "template", self.name)
        pod = self._pod(f"{self.name}-{template}-{base36(5, 'pod', self.name)}", "jobmanager", _JOB_MANAGER)
        return replace(
            pod,
            labels={**pod.labels, "app.kubernetes.io/name": self.name, "pod-template-hash": template},
            controller=Controller("deployment", self.name),
            services=(self.name, f"{self.name}-rest"),
        )

    def _task_manager(self, number: int) -> Pod:
        pod = self._pod(f"{self.name}-taskmanager-1-{number}", "taskmanager", _TASK_MANAGER)
        return replace(pod, life=Span(self.life.start + MINUTE, self.life.end))

    def _pod(self, name: str, role: str, size: Size) -> Pod:
        uid = uuid("pod", self.namespace, name)
        return Pod(
            namespace=self.namespace,
            name=name,
            uid=uid,
            life=self.life,
            pool=self.pool,
            labels={
                "app": self.name,
                "component": role,
                "eks-subscription.amazonaws.com/emr.internal.id": self.internal_id,
                "emr-containers.amazonaws.com/resource.type": "flink.deployment",
                "type": "flink-native-kubernetes",
            },
            containers=(container("flink-main-container", size, uid),),
            workload=Workload("flink", self.internal_id, self.name, emr_resource=f"/flinkruns/{self.internal_id}"),
            role=role,
            traffic=Traffic(sent=6_500_000, received=9_200_000),
        )
