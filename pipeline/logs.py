"""How a run speaks: one line per event on stderr, its facts as key=value."""

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_TALKATIVE = ("pyathena", "awswrangler", "botocore", "urllib3")


class EventFormatter(logging.Formatter):
    """Write a record as time, level, event, and the facts given as `extra`.

    One with a `document` is that, as JSON, and nothing else: who reads it wants no word before it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows on lines of its own."""
        if hasattr(record, "document"):
            return json.dumps(record.document, allow_nan=False)
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        facts = "".join(f" {key}={_shown(value)}" for key, value in vars(record).items() if key not in _STANDARD)
        line = f"{at} {record.levelname:<7} {record.getMessage()}{facts}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(level: str) -> None:
    """Log from *level* on; libraries, which tell in tracebacks what we tell in a sentence, only when they must."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _shown(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f'"{text}"' if " " in text or not text else text
