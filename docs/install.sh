#!/bin/sh
# Installs usher from the files of a release, or removes it.
#
#   sh install.sh --from DIR|URL [--prefix DIR]
#   sh install.sh --uninstall [--prefix DIR]
#
# --from is a folder or an https address with SHA256SUMS and the archives. The script
# verifies the archive of this machine against SHA256SUMS before it unpacks it. The
# prefix is /usr/local for root, and ~/.local for everyone else. A failed installation
# leaves nothing, and an older usher stays as it was.
#
# Exit codes: 0 done, 4 not installed here, 5 the archive does not match its checksum
# or is incomplete, 6 not reachable, 7 the prefix cannot be written, 64 usage.
set -eu
umask 022
LC_ALL=C
export LC_ALL

fail() { # fail CODE SENTENCE…
  code=$1
  shift
  printf 'install.sh: %s\n' "$*" >&2
  exit "$code"
}

usage() { fail 64 "$1 Use: sh install.sh --from DIR|URL [--prefix DIR], or sh install.sh --uninstall [--prefix DIR]"; }

from='' prefix='' uninstall=''
while [ $# -gt 0 ]; do
  case $1 in
    --from=* | --prefix=*)
      option=${1%%=*} value=${1#*=}
      shift
      set -- "$option" "$value" "$@"
      continue
      ;;
    --from | --prefix)
      [ $# -ge 2 ] && [ -n "$2" ] || usage "$1 needs a value."
      [ "$1" = --from ] && from=$2 || prefix=$2
      shift 2
      ;;
    --uninstall)
      uninstall=yes
      shift
      ;;
    -h | --help)
      echo 'sh install.sh --from DIR|URL [--prefix DIR]'
      echo 'sh install.sh --uninstall [--prefix DIR]'
      exit 0
      ;;
    *) usage "Unknown argument: $1." ;;
  esac
done
[ -n "$from$uninstall" ] || usage '--from is missing.'
[ -z "$from" ] || [ -z "$uninstall" ] || usage '--from and --uninstall exclude each other.'
if [ -z "$prefix" ]; then
  if [ "$(id -u)" = 0 ]; then
    prefix=/usr/local
  else
    prefix=${HOME:?}/.local
  fi
fi
case $prefix in
  /*) ;;
  *) prefix=$(pwd)/$prefix ;;
esac
prefix=${prefix%/}

# The list of installed files, relative to the prefix. A folder that the installation
# created ends in a slash, and the line "." is the prefix itself.
list=share/usher/installed

# listed FILE: the names of a list, without any that leads out of the prefix.
listed() { grep -Ev '^/|(^|/)\.\.?(/|$)|^$' "$1" || :; }

# drop LIST: removes the files of a list, then its folders that are empty.
drop() {
  listed "$1" | grep -v '/$' | while IFS= read -r name; do rm -f "$prefix/$name"; done || :
  listed "$1" | grep '/$' | sort -r | while IFS= read -r name; do rmdir "$prefix/$name" 2>/dev/null || :; done || :
}

if [ -n "$uninstall" ]; then
  [ -f "$prefix/$list" ] || fail 4 "There is no usher of this script in $prefix. --prefix DIR names another place."
  [ -w "$prefix/share/usher" ] || fail 7 "$prefix is not writable for you."
  names=$(cat "$prefix/$list")
  copy=$(mktemp)
  printf '%s\n' "$names" "$list" >"$copy"
  drop "$copy"
  if grep -qx '\.' "$copy"; then
    rmdir "$prefix" 2>/dev/null || :
  fi
  rm -f "$copy"
  echo "usher is removed from $prefix."
  case $(uname -s) in
    Darwin) echo "Your settings and your sign-in remain in ~/Library/Application Support/usher." ;;
    *) echo "Your settings and your sign-in remain in ~/.config/usher and ~/.local/state/usher." ;;
  esac
  exit 0
fi

case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=darwin ;;
  *) fail 64 "There is no archive for $(uname -s) here. On Windows, unpack the zip and put its folder bin on the PATH." ;;
esac
case $(uname -m) in
  x86_64 | amd64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) fail 64 "There is no archive for $(uname -m)." ;;
esac

work=$(mktemp -d)
staged=$work/staged # new files beside their place, to remove after a failure
created=$work/created
: >"$staged"
: >"$created"
end() {
  status=$?
  trap - EXIT
  while IFS= read -r name; do rm -f "$name"; done <"$staged"
  [ "$status" = 0 ] || sort -r "$created" | while IFS= read -r name; do rmdir "$prefix/$name" 2>/dev/null || :; done # "." is the last
  rm -rf "$work"
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# fetch NAME: a file of the release, into the work folder.
fetch() {
  case $from in
    https://*) protocol=https ;;
    http://127.0.0.1[:/]* | http://localhost[:/]*) protocol=http ;;
    *://*) fail 64 "Only https addresses are accepted: $from" ;;
    *)
      [ -d "$from" ] || fail 64 "$from is no folder."
      [ -f "$from/$1" ] || fail 5 "$from has no $1."
      cp "$from/$1" "$work/$1" || fail 7 "$1 cannot be copied."
      return
      ;;
  esac
  if command -v curl >/dev/null 2>&1; then
    curl -fsSL --proto "=$protocol" --proto-redir "=$protocol" -o "$work/$1" "${from%/}/$1" || fail 6 "${from%/}/$1 cannot be fetched."
  elif command -v wget >/dev/null 2>&1; then
    wget -q --max-redirect=0 -O "$work/$1" "${from%/}/$1" || fail 6 "${from%/}/$1 cannot be fetched."
  else
    fail 64 'curl or wget is necessary for an address.'
  fi
}

# sum FILE: its SHA-256 in hexadecimal.
sum() {
  if command -v sha256sum >/dev/null 2>&1; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif command -v shasum >/dev/null 2>&1; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
  fi
}

fetch SHA256SUMS
line=$(grep -E "^[0-9a-f]{64}  usher_[0-9A-Za-z.-]+_${system}_$arch\.tar\.gz\$" "$work/SHA256SUMS" || :)
[ -n "$line" ] || fail 5 "SHA256SUMS has no archive for ${system}_$arch."
[ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ] || fail 5 "SHA256SUMS has several archives for ${system}_$arch."
want=${line%% *}
archive=${line##* }
fetch "$archive"
got=$(sum "$work/$archive")
[ "$got" = "$want" ] || fail 5 "$archive does not match its checksum: $got instead of $want. Nothing was installed."

tar -xzf "$work/$archive" -C "$work" || fail 5 "$archive cannot be unpacked."
top=$work/${archive%.tar.gz}
[ -f "$top/bin/usher" ] || fail 5 "$archive has no program."
(cd "$top" && find . ! -type d | sed 's,^\./,,' | sort) >"$work/files"
if grep -Eqv '^[0-9A-Za-z._/-]+$' "$work/files" || [ -n "$(find "$top" ! -type d ! -type f)" ]; then
  fail 5 "$archive has a file of an unexpected kind."
fi

# folder NAME: a folder below the prefix, whose creation is noted.
folder() {
  [ ! -d "$prefix/$1" ] || return 0
  case $1 in
    */*) folder "${1%/*}" ;;
  esac
  mkdir "$prefix/$1" 2>/dev/null || fail 7 "$prefix/$1 cannot be created."
  printf '%s/\n' "$1" >>"$created"
}

if [ ! -d "$prefix" ]; then
  mkdir -p "$prefix" 2>/dev/null || fail 7 "$prefix cannot be created."
  echo . >>"$created"
fi
while IFS= read -r name; do
  folder "${name%/*}"
  printf '%s\n' "$prefix/$name.usher-new" >>"$staged"
  cp "$top/$name" "$prefix/$name.usher-new" 2>/dev/null || fail 7 "$prefix/$name cannot be written."
  [ ! -d "$prefix/$name" ] || fail 7 "$prefix/$name is a folder."
done <"$work/files"
folder share/usher

# From here on the list names the files of both versions, so that --uninstall removes
# them even after an interruption.
old=$work/old
: >"$old"
[ ! -f "$prefix/$list" ] || grep . "$prefix/$list" >"$old" || :
sort -u "$work/files" "$created" "$old" >"$work/both"
cp "$work/both" "$prefix/$list" || fail 7 "$prefix/$list cannot be written."
: >"$work/none"
cp "$work/none" "$created"
while IFS= read -r name; do
  mv -f "$prefix/$name.usher-new" "$prefix/$name" || fail 7 "$prefix/$name cannot be written."
done <"$work/files"
grep -Ev '/$|^\.$' "$old" | sort >"$work/oldfiles" || :
comm -13 "$work/files" "$work/oldfiles" >"$work/gone"
drop "$work/gone"
grep -E '/$|^\.$' "$work/both" | sort - "$work/files" >"$work/now"
cp "$work/now" "$prefix/$list" || fail 7 "$prefix/$list cannot be written."

echo "$("$prefix/bin/usher" --version 2>/dev/null || echo usher) is installed in $prefix/bin."
case :$PATH: in
  *:"$prefix/bin":*) ;;
  *) echo "Put it on your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
echo "Next: usher configure https://…, then usher. To remove it: sh install.sh --uninstall --prefix '$prefix'"
