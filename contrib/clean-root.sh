#!/usr/bin/env bash
# Runs the README's two commands as a newcomer does: in a fresh clone, on a Debian that has git, a C compiler and
# rustup's toolchain, and nothing else. As root.
#
#   contrib/clean-root.sh [TARGET]    TARGET: a folder for the build output, otherwise it is thrown away
#
# The clone is of the last commit. The toolchain is this machine's own, read-only, and the crates are copies of this
# machine's, so that nothing is downloaded twice; the commands run as an ordinary user, and cargo offline.
set -euo pipefail
[[ $# -le 1 && $EUID == 0 ]] || { echo "usage, as root: contrib/clean-root.sh [TARGET]" >&2; exit 2; }
target=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
user=${SUDO_UID:-1000}

# The command that the README shows, without its explanation.
readme() { # PREFIX
  local found
  found=$(sed -nE "s/^ *(\\$ )?($1)/\\2/p" README.md | sed -E 's/(  +| +#).*//' | sort -u)
  [[ -n $found && $found != *$'\n'* ]] || { echo "the README must show one '$1' command, not: $found" >&2; exit 1; }
  echo "$found"
}
demo=$(readme 'cargo run .*demo')
tests=$(readme 'cargo test')

contrib/debian-root.sh target/debian-build-root.tar ca-certificates git gcc libc6-dev
cargo fetch --locked --quiet

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
clone=/home/newcomer/archiver
mkdir "$root"
tar -C "$root" -xf target/debian-build-root.tar
git bundle create --quiet "$root/archiver.git" HEAD
mkdir -p "${target:=$work/target}"/{debug,tmp} "$root$clone/target" "$root$cargo_home/"{bin,registry} "$root$rustup_home"
chmod 711 "$root/root"
# Packed crates only: some unpack to files that nobody but their owner may read.
cp -a "$cargo_home"/registry/{index,cache} "$root$cargo_home/registry/"
# Another build may be under way in other folders of the target.
chown "$user:$user" "$target"
chown -R "$user:$user" "$root/home/newcomer" "$root$cargo_home" "$target"/{debug,tmp}
rm -f "$target/.rustc_info.json"

# In a mount namespace of their own, so that no mount outlives the command.
export root clone target cargo_home rustup_home user
inside() { # COMMAND
  # shellcheck disable=SC2016
  unshare --mount --propagation private bash -euc '
    for shared in "$cargo_home/bin" "$rustup_home"; do
      mount --bind "$shared" "$root$shared"
      mount -o remount,bind,ro "$root$shared"
    done
    mount --bind "$target" "$root$clone/target"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    exec chroot --userspec="$user:$user" "$root" /usr/bin/env -i \
      PATH="$cargo_home/bin:/usr/bin:/bin" HOME=/home/newcomer CARGO_HOME="$cargo_home" RUSTUP_HOME="$rustup_home" \
      CARGO_NET_OFFLINE=true CI=true LC_ALL=C.UTF-8 sh -euc "cd $clone; $1"' bash "$1"
}

inside 'git init --quiet && git pull --quiet /archiver.git HEAD'
for command in "$demo" "$tests"; do
  printf -- '-- $ %s\n' "$command"
  began=$SECONDS
  inside "$command"
  printf -- '-- %s: %d s\n' "$command" $((SECONDS - began))
done
