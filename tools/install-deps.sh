#!/bin/sh
# Installs what a stage needs and is not there: build | test | lint | bench. Quiet and quick when nothing is missing.
set -eu

need_header() { # header package
	echo "#include <$1>" | ${CC:-cc} -E -x c - >/dev/null 2>&1 || missing="$missing $2"
}
need_tool() { # command package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

install() {
	[ -n "$missing" ] || return 0
	echo "loom: installing$missing" >&2
	sudo=""
	[ "$(id -u)" = 0 ] || sudo="sudo"
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "loom: this system has no apt-get; please install the equivalents of:$missing" >&2
		exit 1
	fi
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
	# shellcheck disable=SC2086
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

stage=${1:-build}
missing=""
need_tool gcc gcc
need_tool cc gcc
need_tool ar binutils
if command -v cc >/dev/null 2>&1; then
	need_header stdio.h libc6-dev
	need_header jansson.h libjansson-dev
	need_header yaml.h libyaml-dev
	printf '#define PCRE2_CODE_UNIT_WIDTH 8\n#include <pcre2.h>\n' | cc -E -x c - >/dev/null 2>&1 || missing="$missing libpcre2-dev"
	need_header utf8proc.h libutf8proc-dev
	need_header curl/curl.h libcurl4-openssl-dev
	need_header openssl/evp.h libssl-dev
else
	missing="$missing libc6-dev libjansson-dev libyaml-dev libpcre2-dev libutf8proc-dev libcurl4-openssl-dev libssl-dev"
fi

case $stage in
build) ;;
run)
	need_tool python3 python3
	need_tool curl curl
	;;
test)
	if command -v cc >/dev/null 2>&1; then
		printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <cmocka.h>\n' |
			cc -E -x c - >/dev/null 2>&1 || missing="$missing libcmocka-dev"
	else
		missing="$missing libcmocka-dev"
	fi
	need_tool openssl openssl # a certificate for the hub's tests
	need_tool python3 python3
	python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
	;;
lint)
	need_tool clang clang
	need_tool clang-tidy clang-tidy
	need_tool python3 python3
	;;
bench)
	need_tool python3 python3
	python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || missing="$missing python3-venv"
	;;
*)
	echo "usage: tools/install-deps.sh build|run|test|lint|bench" >&2
	exit 2
	;;
esac
install
