"""Who is computed next: requests that wait, in groups that may share an execution.

Every request ranks by its arrival, and a level of priority counts as `LEVEL_MS` of waiting. The order of two requests
therefore never changes: equal priorities are served first come, first served, and a low one is overtaken only by those
that come within `LEVEL_MS` a level of it, however many there are. A group that was just served ranks as if its first
request had arrived at that moment, so that a flood of one shape keeps no other shape waiting for long.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from serving.batching.alarm import NEVER
from serving.batching.batches import Key, Request, cells_at
from serving.batching.padding import widest
from zoo.spec import Arrays

LEVEL_MS = 100.0
MAX_LEVEL = 100
RATE_MS = 20.0  # what the measured rate of arrivals remembers
_LEVEL_NS = int(LEVEL_MS * 1e6)
_IDLE_GROUPS = 64  # empty groups that are kept for their rate


@dataclass(slots=True)
class Job(Request):
    """A request in the line. Times are of `time.perf_counter_ns`; `piece` of a larger one, which is counted as a whole."""

    answer: asyncio.Future[Arrays]
    is_gone: Callable[[], bool] | None
    queued_ns: int
    deadline_ns: int
    priority: int
    piece: bool

    @property
    def rank(self) -> int:
        return self.queued_ns - self.priority * _LEVEL_NS


class Group:
    """Requests with one key: a lane for each priority that waits."""

    def __init__(self, key: Key) -> None:
        self.kin, self.sizes = key
        self.key = key
        self.lanes: dict[int, deque[Job]] = {}
        self.rows = 0
        self._served_ns = 0
        self._arrived = 0
        self._rate = 0.0
        self._counted_ns = 0

    def add(self, job: Job) -> None:
        lane = self.lanes.get(job.priority)
        if lane is None:
            lane = self.lanes[job.priority] = deque()
        lane.append(job)
        self.rows += job.rows
        self._arrived += job.rows

    def lane(self) -> deque[Job]:
        """The lane whose first request is next."""
        lanes = self.lanes.values()
        return next(iter(lanes)) if len(lanes) == 1 else min(lanes, key=lambda lane: lane[0].rank)

    def head(self) -> Job:
        return self.lane()[0]

    def pop(self, lane: deque[Job]) -> Job:
        job = lane.popleft()
        if not lane:
            del self.lanes[job.priority]
        self.rows -= job.rows
        return job

    def rank(self) -> int:
        head = self.head()
        return max(head.queued_ns, self._served_ns) - head.priority * _LEVEL_NS

    def served(self, now: int) -> None:
        self._served_ns = now

    def rate(self, now: int) -> float:
        """Rows a nanosecond that arrived lately."""
        passed = now - self._counted_ns if self._counted_ns else 0
        self._rate += (self._arrived - self._rate * passed) / (passed + RATE_MS * 1e6)
        self._arrived, self._counted_ns = 0, now
        return self._rate


class Line:
    """The groups that wait."""

    def __init__(self) -> None:
        self.groups: dict[Key, Group] = {}
        self.rows = 0
        self._idle: OrderedDict[Key, Group] = OrderedDict()

    def add(self, key: Key, job: Job) -> Group:
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = self._idle.pop(key) if key in self._idle else Group(key)
        group.add(job)
        self.rows += job.rows
        return group

    def first(self) -> Group:
        """The group whose turn it is."""
        if len(self.groups) == 1:
            return next(iter(self.groups.values()))
        return min(self.groups.values(), key=Group.rank)

    def take(self, group: Group, max_rows: int, is_wanted: Callable[[Job, int], bool], now: int) -> list[Job]:
        """Requests of the group in their order, `max_rows` at most, or a single one that has more or where that is 0.

        Those that are not wanted are taken out as well.
        """
        group.served(now)
        jobs: list[Job] = []
        room = max_rows
        while group.lanes:
            lane = group.lane()
            if jobs and lane[0].rows > room:
                break
            job = group.pop(lane)
            self.rows -= job.rows
            if is_wanted(job, now):
                jobs.append(job)
                room -= job.rows
        if not group.lanes:
            self._rest(group)
        return jobs

    def company(self, jobs: list[Job], group: Group, room: int, spare_cells: float) -> Iterator[Group]:
        """Groups that fit in with `jobs` as a whole when all are padded to the longest, nearest size first.

        Each saves an execution, and may cost `spare_cells` of padding at most: what an execution costs before its first
        cell. Groups that do not fit in as a whole need an execution of their own anyway.
        """
        kin = [
            other for other in self.groups.values() if other.kin == group.kin and other is not group and other.rows <= room
        ]
        sizes, cells, rows = group.sizes, jobs[0].cells, sum(job.rows for job in jobs)
        for other in sorted(kin, key=lambda other: abs(other.head().cells - jobs[0].cells)):
            together = widest([sizes, other.sizes])
            total = cells_at(cells, sizes, together)
            padding = (rows + other.rows) * total - rows * cells - other.rows * other.head().cells
            if other.rows <= room and padding <= spare_cells:
                sizes, cells, rows, room = together, total, rows + other.rows, room - other.rows
                yield other

    def expire(self, now: int) -> list[Job]:
        """Take out the requests whose deadline has passed."""
        expired: list[Job] = []
        for group in list(self.groups.values()):
            for priority, lane in list(group.lanes.items()):
                late = [job for job in lane if job.deadline_ns <= now]
                if not late:
                    continue
                expired += late
                group.rows -= sum(job.rows for job in late)
                group.lanes[priority] = deque(job for job in lane if job.deadline_ns > now)
                if not group.lanes[priority]:
                    del group.lanes[priority]
            if not group.lanes:
                self._rest(group)
        self.rows -= sum(job.rows for job in expired)
        return expired

    def soonest_ns(self) -> int:
        """The deadline that comes first."""
        jobs = (job for group in self.groups.values() for lane in group.lanes.values() for job in lane)
        return min((job.deadline_ns for job in jobs), default=NEVER)

    def _rest(self, group: Group) -> None:
        del self.groups[group.key]
        self._idle[group.key] = group
        if len(self._idle) > _IDLE_GROUPS:
            self._idle.popitem(last=False)
