"""However many windows are asked for, Kubecost works at no more than two requests of ours at a time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from time import sleep

from pipeline.kubecost import AT_ONCE, Kubecost
from pipeline.window import Window, parse_instant
from tests.captures import Answer, Answering, Request, opencost, serving

WINDOWS = tuple(
    Window(start, start + timedelta(hours=1))
    for start in (parse_instant(f"2026-11-19T{hour}:00Z") for hour in ("09", "10", "11", "20"))
)


@dataclass
class Counted:
    """Answers slowly, and counts how many requests it works at."""

    answering: Answering
    most: int = 0
    _now: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        sleep(0.05)
        answer = self.answering(request)
        with self._lock:
            self._now -= 1
        return answer


def test_windows_asked_for_from_several_threads_are_no_more_than_two_requests_at_a_time() -> None:
    counted = Counted(opencost("opencost-2026-05"))
    with serving(counted) as upstream, ThreadPoolExecutor(len(WINDOWS)) as threads:
        answers = list(threads.map(Kubecost(upstream.url).window, WINDOWS))
    assert [answer.window for answer in answers] == list(WINDOWS)
    assert counted.most == AT_ONCE == 2
