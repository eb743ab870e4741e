"""The time that a server takes by itself: ask it for the same hours, one after the other, and drop what it says."""

import sys
from datetime import datetime, timedelta

import urllib3


def main(kubecost: str, since: str, until: str) -> None:
    """Ask for both answers to each hour from *since* to *until*."""
    hour, end = datetime.fromisoformat(since), datetime.fromisoformat(until)
    pool = urllib3.PoolManager()
    while hour < end:
        later = hour + timedelta(hours=1)
        window = f"{hour:%Y-%m-%dT%H:%M:%SZ},{later:%Y-%m-%dT%H:%M:%SZ}"
        for path in ("assets", "allocation"):
            pool.request("GET", f"{kubecost}/model/{path}?window={window}")
        hour = later


if __name__ == "__main__":
    main(*sys.argv[1:])
