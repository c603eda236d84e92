#!/bin/sh
# lint.sh — what `make lint` runs after the build: clang-tidy and cppcheck over the C code, shellcheck over the scripts, mandoc
# over the manuals, and the lengths of functions and files. Ends with 1 when anything is found.
# LINT="clang-tidy sizes" runs only these; CONFIG names another config.mk, as for make.
set -u
cd "$(dirname "$0")/.." || exit 1
[ -n "${CHECK_NO_INSTALL:-}" ] || sh mk/deps.sh lint || exit 1
config=${CONFIG:-config.mk}
max_function=60
max_file=600
found=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wanted() {
	case " ${LINT:-clang-tidy cppcheck shellcheck mandoc sizes} " in *" $1 "*) echo "== $1" ;; *) return 1 ;; esac
}
finding() { # finding COUNT WHAT
	[ "$1" = 0 ] && return
	echo "lint: $1 $2"
	found=1
}

code=$(find analyzer collector ctl lib probe report supervisor web -name '*.c' | sort)
tests=$(find tests/unit tests/fuzz -name '*.c' | sort)
scripts="configure $(find mk tests examples -name node_modules -prune -o -name '*.sh' -print | sort)"
# shellcheck disable=SC2016 # make expands these
flags=$(printf 'include %s\nflags:\n\t@echo $(CPPFLAGS) $(CFLAGS)\n' "$config" | make -s -f - flags)


# shellcheck disable=SC2086 # lists of words
if wanted clang-tidy; then
	# One file a run: the va_list checker of clang-tidy 14 mixes several up.
	printf '%s\n' $code | xargs -P"$(nproc)" -I{} clang-tidy --quiet {} -- $flags -DVERSION='"0"' -DSYSCONFDIR='"/etc"' \
		-DBINDIR='"/usr/sbin"' >"$work/tidy" 2>"$work/tidy.err" || [ -s "$work/tidy" ] || cat "$work/tidy.err" >"$work/tidy"
	sed "s#^$PWD/##" "$work/tidy"
	finding "$(grep -E ': (error|warning): ' "$work/tidy" | sort -u | wc -l)" "findings of clang-tidy"
fi

# shellcheck disable=SC2086
if wanted cppcheck; then
	# missingInclude: system headers are not given to it. Checked as C11, the newest it knows.
	cppcheck --quiet --enable=warning,performance,portability --error-exitcode=1 --inline-suppr -j"$(nproc)" --std=c11 \
		--suppress=missingInclude --suppress=missingIncludeSystem -D_GNU_SOURCE -DWITH_ZSTD=1 -DWITH_LZMA=1 -DWITH_ISAL=1 \
		-I. $code $tests mk/*.c || finding 1 "run of cppcheck with findings"
fi

# shellcheck disable=SC2086
if wanted shellcheck; then
	shellcheck -S warning $scripts || finding 1 "run of shellcheck with findings"
fi

if wanted mandoc; then
	for m in man/*.[158]; do mandoc -T lint -W warning "$m"; done >"$work/man"
	cat "$work/man"
	finding "$(wc -l <"$work/man")" "findings of mandoc"
fi

# shellcheck disable=SC2086
if wanted sizes; then
	ctags --output-format=json --fields=+ne --kinds-C=f -o - $code mk/*.c | jq -r 'select(.end) | "\(.end - .line + 1) \(.path):\(.line) \(.name)"' |
		sort -n >"$work/functions"
	awk '{ n[NR] = $1 } END { printf "%d functions, half up to %d lines, nine of ten up to %d, the longest %d\n",
		NR, n[int((NR + 1) / 2)], n[int((9 * NR + 9) / 10)], n[NR] }' "$work/functions"
	awk -v most=$max_function '$1 > most' "$work/functions" >"$work/long"
	cat "$work/long"
	finding "$(wc -l <"$work/long")" "functions of more than $max_function lines"
	wc -l $code $tests | awk -v most=$max_file '$2 != "total" && $1 > most { print $1, $2 }' >"$work/big"
	sed 's/^/long file: /' "$work/big" # said, but no finding
fi
[ $found = 0 ] && echo "lint: nothing found"
exit $found
