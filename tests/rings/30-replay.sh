#!/bin/sh
# replay: scenarios through the real pipeline.
exec python3 tests/replay/run.py build/bin/abusewatch tests/replay/*.scn
