#!/bin/sh
# Unpacks Debian's torch for Python, with all that it needs and this machine lacks, into the folder $1: no root is needed.
set -e
folder=$1
rm -rf "$folder"
mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/debs" "$folder/root"
# Lists and downloads of its own, so that nothing outside of the folder is read but what is installed, or written.
apt() {
  apt-get -q -o Dir::State="$folder/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$folder/cache" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" "$@"
}
apt update
apt install -s --no-install-recommends python3-torch | awk '/^Inst/ { print $2 }' > "$folder/packages"
cd "$folder/debs"
# shellcheck disable=SC2046 -- one argument a package
apt download $(cat ../packages)
for package in *.deb; do dpkg-deb -x "$package" ../root; done
rm -rf "$folder/state" "$folder/cache" "$folder/debs"
