#!/bin/sh
# Finds an installed Mesos and prints what a build needs to know of it:
#
#   sh mesos-flags.sh PREFIX          for make; without one, where pkg-config says
#   sh mesos-flags.sh PREFIX cmake    the same for CMake
#
# Everything that is missing is named, each with what to do, on standard error.
set -u

prefix=${1:-}
cxx=${CXX:-g++}
pkg_config=${PKG_CONFIG:-pkg-config}
missing=0

miss() {
	echo "module: $1" >&2
	missing=1
}

command -v "$cxx" >/dev/null 2>&1 || {
	echo "module: no C++ compiler ($cxx): set CXX, or install one (Debian: g++)" >&2
	exit 1
}

# The folders of Mesos's headers and library, those of a build configured with
# --enable-install-module-dependencies included.
includes=
libraries=
if [ -n "$prefix" ]; then
	for dir in include lib/mesos/3rdparty/include lib64/mesos/3rdparty/include; do
		[ -d "$prefix/$dir" ] && includes="$includes $prefix/$dir"
	done
	for dir in lib lib64 lib/x86_64-linux-gnu lib/aarch64-linux-gnu; do
		[ -e "$prefix/$dir/libmesos.so" ] && libraries="$libraries $prefix/$dir"
	done
elif "$pkg_config" --exists mesos 2>/dev/null; then
	for flag in $("$pkg_config" --cflags-only-I mesos); do
		includes="$includes ${flag#-I}"
	done
	for flag in $("$pkg_config" --libs-only-L mesos); do
		libraries="$libraries ${flag#-L}"
	done
else
	echo "module: MESOS_PREFIX is not set and pkg-config does not know mesos: make module MESOS_PREFIX=/usr" >&2
	exit 1
fi

# As system folders, so that warnings are about our code. The compiler's own
# must not be named: its headers depend on their order.
cppflags=
for dir in $includes; do
	[ "$dir" = /usr/include ] || cppflags="$cppflags -isystem $dir"
done
cppflags="${cppflags# } -D__STDC_FORMAT_MACROS"

preprocess() {
	# shellcheck disable=SC2086 # The flags are several words.
	printf '%s\n' "$1" | "$cxx" -std=c++14 -E -P -x c++ $cppflags - 2>/dev/null
}

# have HEADER WHAT-TO-DO
have() {
	preprocess "#include <$1>" >/dev/null || miss "no <$1>: $2"
}

where=${prefix:+ under $prefix}
dependencies="they come with a Mesos configured with --enable-install-module-dependencies, or from the distribution in the version Mesos was built with"

have curl/curl.h "install libcurl's headers (Debian: libcurl4-openssl-dev)"
preprocess '#include <curl/curlver.h>
#if LIBCURL_VERSION_NUM < 0x073100
#error
#endif' >/dev/null || miss "libcurl is older than 7.49, which cannot speak HTTP/2 on a Unix socket"

have mesos/version.hpp "Mesos is not installed$where"
version=$(preprocess '#include <mesos/version.hpp>
estimatord_version MESOS_VERSION' | tr -d '\n' | sed -n 's/.*estimatord_version *"\([^"]*\)".*/\1/p')
[ "$missing" = 1 ] || [ -n "$version" ] || miss "<mesos/version.hpp> does not say a version"
have mesos/module/qos_controller.hpp "this Mesos has no headers for modules"
have process/future.hpp "this Mesos was installed without libprocess's headers"
have stout/option.hpp "this Mesos was installed without stout's headers"
have boost/version.hpp "Boost's headers; $dependencies"
have glog/logging.h "glog's headers; $dependencies"
have google/protobuf/message.h "protobuf's headers; $dependencies"

# Generated code checks the version of protobuf when it is compiled.
if [ "$missing" = 0 ]; then
	have mesos/mesos.pb.h "protobuf's headers are of another version than the protoc that made Mesos's; $dependencies"
fi

library=
for dir in $libraries; do
	[ -e "$dir/libmesos.so" ] && library=$dir
done
# What libmesos.so is says its version: libmesos-1.12.0.so when Mesos was built
# with autotools, libmesos.so.1.12.0 when it was built with CMake.
if [ -z "$library" ]; then
	miss "no libmesos.so$where"
elif [ -n "$version" ]; then
	file=$(basename "$(readlink -f "$library/libmesos.so")")
	case $file in
	"libmesos-$version.so" | "libmesos.so.$version") ;;
	libmesos.so)
		[ -e "$library/libmesos-$version.so" ] || [ -e "$library/libmesos.so.$version" ] ||
			miss "$library has neither libmesos-$version.so nor libmesos.so.$version: library and headers are of different versions"
		;;
	*) miss "$library/libmesos.so is $file, and the headers are of version $version" ;;
	esac
fi

[ "$missing" = 0 ] || exit 1

# say NAME VALUE
say() {
	case $format in
	cmake) echo "set($1 \"${2-}\")" ;;
	*) echo "$1 :=${2:+ $2}" ;;
	esac
}

format=${2:-make}
say MESOS_VERSION "$version"
say MESOS_CPPFLAGS "$cppflags"
case $library in
/usr/lib | /usr/lib64 | /usr/lib/*-linux-gnu) say MESOS_LDFLAGS ;;
*) say MESOS_LDFLAGS "-L$library" ;;
esac
