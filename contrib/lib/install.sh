# Shared by the scripts that install what they need. To be sourced; `install` is yes or no.
# shellcheck shell=bash

as_root() {
  if [[ $EUID == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

install_packages() { # PACKAGE...
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"
}

# Sees that these commands are there, from the Debian packages named with them.
packages_for() { # COMMAND=PACKAGE...
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  if ((${#missing[@]})) && [[ $install == yes ]] && command -v apt-get >/dev/null; then
    install_packages "${missing[@]}"
  fi
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || {
      echo "${pair%%=*} is missing: install the package ${pair#*=}" >&2
      return 1
    }
  done
}
