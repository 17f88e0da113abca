#!/bin/sh
# The steps of docker/Dockerfile, in one place so that docker/check.py can run them without a Docker engine.
#   steps.sh build     in a build stage: compiler and headers, build, what the image gets under /out
#   steps.sh runtime   in the image: the shared libraries that the build wrote down, nothing else
set -eu
export DEBIAN_FRONTEND=noninteractive

# The packages that hold the shared libraries of a program, whatever this release calls them.
libraries_of() {
	ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// { print $1 }' | while read -r file; do
		real=$(readlink -f "$file")
		dpkg-query -S "$real" 2>/dev/null || dpkg-query -S "${real#/usr}" 2>/dev/null || { echo "no package holds $file" >&2; exit 1; }
	done | sed 's/: .*//; s/:[a-z0-9]*$//' | sort -u
}

case ${1:-} in
build)
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends gcc libc6-dev make binutils libjansson-dev libyaml-dev libpcre2-dev \
		libutf8proc-dev libcurl4-openssl-dev libssl-dev >/dev/null
	make -s -j"$(nproc)" BUILD=/tmp/build all
	strip -o /tmp/loom /tmp/build/loom
	mkdir -p /out/usr/local/bin /out/usr/local/share/loom
	install -m 755 /tmp/loom /out/usr/local/bin/loom
	install -m 644 LICENSE /out/usr/local/share/loom/LICENSE
	libraries_of /tmp/loom > /out/usr/local/share/loom/packages
	;;
runtime)
	apt-get update -qq
	# ca-certificates: the hub is spoken to over TLS only
	xargs apt-get install -y -qq --no-install-recommends ca-certificates < /usr/local/share/loom/packages >/dev/null
	rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /var/log/apt /var/log/dpkg.log /var/cache/debconf/*-old
	useradd --uid 1000 --no-create-home --home-dir /app --shell /usr/sbin/nologin loom 2>/dev/null ||
		usermod --login loom --home /app --shell /usr/sbin/nologin "$(getent passwd 1000 | cut -d: -f1)"
	mkdir -p /app/.cache/huggingface
	chown -R 1000:1000 /app
	loom --version
	;;
*)
	echo "usage: steps.sh build|runtime" >&2
	exit 2
	;;
esac
