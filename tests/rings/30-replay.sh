#!/bin/sh
# replay: scenarios through the real pipeline.
python3 tests/replay/script.py build/bin/abusewatch
python3 tests/replay/settings.py build/bin/abusewatch tests/replay
python3 tests/replay/explain.py build/bin/abusewatch tests/replay
python3 tests/replay/servers.py build/bin/abusewatch
python3 tests/capture/month.py build/bin/abusewatch --days 6 --test
exec python3 tests/replay/run.py build/bin/abusewatch tests/replay/*.scn
