#!/bin/sh
# store: the same log gives the same store; a full disk; retention; a changed inventory.
set -u
cd "$TOP" || exit 1
bin=${BUILD:-build}/bin
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	STORE_NAMESPACE=1 exec unshare -m python3 tests/system/store.py "$bin" examples/history.log.xz
fi
exec python3 tests/system/store.py "$bin" examples/history.log.xz
