#!/bin/sh
# Compiles the glue against the headers of a Mesos source tree, without
# building Mesos and without a result:
#
#   sh glue-check.sh DIR     DIR holds include/ and 3rdparty/ of apache/mesos
#
# The headers of Boost, glog, picojson, protobuf and rapidjson come from the
# system (Debian: libboost-dev libgoogle-glog-dev libprotobuf-dev
# protobuf-compiler picojson-dev rapidjson-dev). That proves that the glue says
# what Mesos's interfaces ask for; only a module built beside an installed Mesos
# (make module) can be loaded.
set -eu

source=${1:-}
if [ -z "$source" ]; then
	echo "glue-check: SKIPPED, the glue was not compiled: set MESOS_SOURCE to a source tree of apache/mesos" >&2
	exit 0
fi
[ -f "$source/include/mesos/version.hpp.in" ] || {
	echo "glue-check: $source is not a source tree of Mesos: it has no include/mesos/version.hpp.in" >&2
	exit 1
}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# The headers that Mesos's own build would make. The version is that of
# configure.ac, or any: the glue only passes it on.
version=$(sed -n 's/^AC_INIT(\[mesos\], \[\(.*\)\])$/\1/p' "$source/configure.ac" 2>/dev/null || true)
cp -R "$source/include" "$made/include"
sed -e "s/@PACKAGE_VERSION@/${version:-0.0.0}/" -e 's/@MESOS_[A-Z]*_VERSION@/0/' \
	"$source/include/mesos/version.hpp.in" >"$made/include/mesos/version.hpp"
protoc -I "$source/include" --cpp_out="$made/include" \
	mesos/mesos.proto mesos/v1/mesos.proto mesos/slave/oversubscription.proto mesos/module/module.proto

cd "$(dirname "$0")"
for file in glue/*.cpp; do
	"${CXX:-g++}" -fsyntax-only -std=c++14 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror \
		-I. -isystem "$made/include" -isystem "$source/3rdparty/stout/include" -isystem "$source/3rdparty/libprocess/include" \
		-D__STDC_FORMAT_MACROS -DESTIMATORD_VERSION='"check"' "$file"
done
echo "glue-check: the glue compiles against the headers of Mesos ${version:-of an unknown version}"
