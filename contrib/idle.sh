#!/usr/bin/env bash
# What the service takes while it has nothing to do: memory, processor time and wake-ups over a minute.
#
#   bash contrib/idle.sh [PROGRAM] [SECONDS]
#
# PROGRAM is target/release/archiver unless another one is named. The API is the built-in fake one; the archive is
# filled before the measurement begins, and no run is due during it.
set -euo pipefail
program=$(realpath "${1:-target/release/archiver}")
seconds=${2:-60}
unset "${!ARCHIVER_@}"
folder=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap finish EXIT
cd "$folder"

until_there() { # COMMAND...
  for _ in {1..600}; do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "never: $*" >&2
  return 1
}

"$program" fake-api --port 0 >api.log 2>&1 &
pids+=($!)
until_there grep -qo 'http://127.0.0.1:[0-9]*' api.log
address=$(grep -o 'http://127.0.0.1:[0-9]*' api.log | head -n 1)
curl -sf "$address/_fake/config" >archiver.toml
export ARCHIVER_SCHEDULE__CRON='0 0 0 29 2 *' ARCHIVER_BUDGET__CREDITS_PER_RUN=10000
"$program" sync 2>service.log &
service=$!
pids+=("$service")
until_there grep -q 'the run ended' service.log
sleep 2

of_status() { grep "^$1:" "/proc/$service/status" | grep -o '[0-9]*'; }
threads() { grep -h '^voluntary_ctxt_switches' "/proc/$service"/task/*/status | awk '{n += $2} END {print n}'; }
ticks() { awk '{print $14 + $15}' "/proc/$service/stat"; }
before=$(threads) cpu=$(ticks)
sleep "$seconds"
printf 'archive            %s messages\n' "$(sqlite3 -readonly archive.db 'SELECT count(*) FROM message')"
printf 'resident memory    %s kB (at most %s kB while it ran)\n' "$(of_status VmRSS)" "$(of_status VmHWM)"
printf 'of it its own      %s kB (the rest is the program'"'"'s file)\n' "$(of_status RssAnon)"
printf 'processor time     %s ms in %s s\n' "$((($(ticks) - cpu) * 1000 / $(getconf CLK_TCK)))" "$seconds"
printf 'wake-ups           %s in %s s\n' "$(($(threads) - before))" "$seconds"
printf 'threads, files     %s, %s\n' "$(of_status Threads)" "$(find "/proc/$service/fd" -type l | wc -l)"
