#!/usr/bin/env bash
# The checks of contrib/boot-debian.sh, from within: run there by systemd as root. Each line of output is for the host.
# No -e: a check that fails must not keep the next one from being made.
set -uo pipefail

config=/etc/archiver/archiver.toml
state=/var/lib/archiver
archive=$state/archive.db
api=http://127.0.0.1:8910
journal=(journalctl --no-pager --quiet)

exec 3>&1
note() { echo "   . $*" >&3; } # a figure, whatever comes of the check

check() { # "NAME" COMMAND... ; one line in the results, and what was said when it failed
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "PASS $name"
  else
    echo "FAIL $name"
    tail -n 12 <<<"$* : $said" | while IFS= read -r line; do echo "   | $line"; done
  fi
}

eventually() { # COMMAND... ; asks again until it is so
  local until=$((SECONDS + 60))
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < until)) || { echo "not within a minute: $*"; "$@"; return 1; }
    sleep 0.1
  done
}

fails_with() { # STATUS COMMAND...
  local wanted=$1 status=0
  shift
  "$@" || status=$?
  [[ $status == "$wanted" ]] || { echo "status $status"; return 1; }
}

equal() { [[ $1 == "$2" ]] || { echo "is: $1"; echo "wanted: $2"; return 1; }; }
prop() { systemctl show --value -p "$2" "$1"; }
props() { # UNIT NAME=VALUE...
  local unit=$1 pair
  shift
  for pair in "$@"; do equal "${pair%%=*}=$(prop "$unit" "${pair%%=*}")" "$pair" || return 1; done
}
running() { props archiver ActiveState=active SubState=running; }
status_has() { [[ $(prop archiver StatusText) == *"$1"* ]] || { prop archiver StatusText; return 1; }; }
idle() { status_has 'Idle: last run'; }
said() { # UNIT PATTERN [JOURNALCTL'S ARGUMENTS] ; since the mark
  sync_journal
  "${journal[@]}" -u "$1" -o cat --after-cursor="$mark" "${@:3}" | grep -E -- "$2" || { journal_since; return 1; }
}
journal_since() { "${journal[@]}" -o short-precise --after-cursor="$mark" | tail -n 8; }
sync_journal() { journalctl --sync; }
set_mark() { sync_journal && mark=$("${journal[@]}" -n 0 --show-cursor | sed -n 's/^-- cursor: //p'); }
sql() { sqlite3 -readonly "$archive" "$1"; }
ended_runs() { sql "SELECT count(*) FROM run_log WHERE finished_at IS NOT NULL"; }
more_runs_than() { (($(ended_runs) > $1)); }
more_messages_than() { (($(messages) > $1)); }
last_run() { sql "SELECT trigger || ' ' || outcome FROM run_log ORDER BY run_id DESC LIMIT 1"; }
messages() { sql 'SELECT count(*) FROM message_log'; }
owner() { stat -L -c '%a %u' "$1"; }
its_user() { of_process Uid | cut -f 1; }
tell_api() { curl -sSf -X POST -d "$2" "$api/_fake/$1" >/dev/null; }
asked() { curl -sSf "$api/_fake/meter" | jq .requests; }
of_process() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(prop archiver MainPID)/status"; }
since_ms() { echo $((($(date +%s%N) - $1) / 1000000)); }

drop_in() { # UNIT NAME ; its text from standard input
  mkdir -p "/etc/systemd/system/$1.d"
  cat >"/etc/systemd/system/$1.d/$2.conf"
  systemctl daemon-reload
}
no_drop_in() { rm "/etc/systemd/system/$1.d/$2.conf" && systemctl daemon-reload; }

# --- the package

the_system_is_up() { equal "$(systemctl is-system-running --wait)" running || { systemctl --failed; return 1; }; }
units_are_known() {
  local unit
  for unit in archiver.service archiver-once.service archiver-web.service archiver.timer; do
    props "$unit" LoadState=loaded ActiveState=inactive NeedDaemonReload=no || return 1
  done
}
nothing_is_enabled() {
  equal "$(systemctl is-enabled archiver.service archiver.timer archiver-once.service | xargs)" 'disabled disabled static'
}
units_are_sound() { equal "$(systemd-analyze verify --man=no /usr/lib/systemd/system/archiver*.{service,timer} 2>&1)" ''; }

presets_leave_them() { systemctl preset archiver.service archiver.timer && nothing_is_enabled; }

# --- a start without a configuration

unconfigured_start_fails() {
  mv "$config" /etc/archiver/api_key /root && cp /root/default.toml "$config" && fails_with 1 systemctl start archiver
}
it_stays_down() { props archiver ActiveState=failed NRestarts=0 ExecMainStatus=78; }
it_starts_once_configured() {
  systemctl reset-failed archiver && mv /root/archiver.toml "$config" && mv /root/api_key /etc/archiver && start_is_told
}
it_says_why() { said archiver '/etc/archiver/api_key' -p err; }

# --- set up as docs/service.md says

configure() {
  cp "$config" /root/default.toml
  systemctl start fake-api && eventually curl -sSf "$api/_fake/meter" || return 1
  local made
  made=$(curl -sSf "$api/_fake/config")
  (
    umask 077
    sed -n 's/^api_key = "\(.*\)"$/\1/p' <<<"$made" >/etc/archiver/api_key
    sed -n 's/^login_token = "\(.*\)"$/\1/p' <<<"$made" >/root/first_token
  )
  {
    without_secrets <<<"$made" | grep -v '^account_id = '
    printf '[archive]\npath = "%s"\n[schedule]\ncron = "0 0 3 1 1 *"\n' "$archive"
    printf '[budget]\ncredits_per_run = 10000\n'
    printf '[alerts]\ncommand = ["/usr/local/bin/tell-me"]\n'
    printf '[metrics]\ntextfile = "/var/lib/prometheus/node-exporter/archiver.prom"\n'
  } >"$config"
  # docs/monitoring.md, "Prometheus"
  groupadd --system prometheus
  install -d -g prometheus -m 775 /var/lib/prometheus/node-exporter
  printf '[Service]\nReadWritePaths=/var/lib/prometheus/node-exporter\nSupplementaryGroups=prometheus\n' |
    drop_in archiver.service figures
  cat >/usr/local/bin/tell-me <<'SCRIPT'
#!/bin/sh
env | grep ^ARCHIVER_ >"told.$ARCHIVER_ALERT_KIND"
SCRIPT
  chmod 755 /usr/local/bin/tell-me
  equal "$(stat -c '%a %U' /etc/archiver/api_key)" '600 root'
}
log_in() {
  local account
  account=$(curl -sSf -X POST -d '{}' "$api/_fake/account")
  jq -r '.password, .code' <<<"$account" | archiver --config "$config" login --yes --json \
    --email "$(jq -r .email <<<"$account")" --password-stdin --code-stdin || return 1
  equal "$(stat -c '%a %U' /etc/archiver/login_token)" '600 root'
}
without_secrets() { grep -v -e '^api_key = ' -e '^login_token = '; }
secrets() { awk 1 /etc/archiver/api_key /etc/archiver/login_token "$@"; }

start_is_told() {
  systemctl enable --now archiver && props archiver Type=notify Result=success && running &&
    equal "$(systemctl is-enabled archiver)" enabled
}
the_run_ends_well() { eventually idle && equal "$(last_run)" 'start complete'; }
status_line() {
  note "$(prop archiver StatusText)"
  note "memory, as systemd counts it: $(($(prop archiver MemoryCurrent) / 1024)) KiB"
  status_has 'nothing is missing since' && status_has '; next run 20'
}
archive_is_closed_to_others() {
  equal "$(readlink "$state")" private/archiver || return 1
  its_files_are "$(its_user)" || return 1
  # The longest-lived file beside it: the log, empty between runs.
  equal "$(stat -c '%s' "$archive-wal")" 0
}
user_cannot_log_in() {
  equal "$(its_user)" "$(id -u archiver)" && equal "$(getent passwd archiver | cut -d : -f 7)" /usr/sbin/nologin
}
process_can_do_little() {
  equal "$(of_process NoNewPrivs) $(of_process CapEff) $(of_process CapBnd) $(of_process Seccomp)" \
    '1 0000000000000000 0000000000000000 2' && equal "$(of_process Groups | wc -w)" 2
}
exposure() {
  local level
  level=$(systemd-analyze security --no-pager archiver.service | tail -n 1)
  note "$level"
  systemd-analyze security --no-pager --threshold=11 archiver.service >/dev/null || { echo "$level"; return 1; }
}
figures_are_written() {
  local file=/var/lib/prometheus/node-exporter/archiver.prom
  equal "$(stat -c %a "$file")" 644 && grep -x 'archiver_last_run_outcome{outcome="complete"} 1' "$file"
}
root_reads_it() {
  local counted
  counted=$(archiver --config "$config" status --json | jq '[.conversations[].messages] | add // 0')
  ((counted > 0)) && equal "$counted" "$(messages)" && archiver --config "$config" verify
}
beside_files_are_its_own() {
  stat -c '%u %a %n' "$state"/*
  equal "$(stat -c '%u %a' "$state"/archive* | sort -u)" "$(its_user) 640"
}
its_files_are() { equal "$(owner "$state/"), $(owner "$archive")" "750 $1, 640 $1"; }
backup_while_it_runs() {
  ln -s ../../bin/archiver /usr/local/bin/archiver
  cp /root/archiver-backup.service /etc/systemd/system && mkdir -p /mnt/backups && systemctl daemon-reload &&
    systemctl start archiver-backup && running || return 1
  equal "$(stat -c '%a %U' /mnt/backups/archive-*.db)" '600 root' &&
    equal "$(sqlite3 -readonly /mnt/backups/archive-*.db 'SELECT count(*) FROM message_log')" "$(messages)"
}
restored() {
  rm -f "$archive-wal" "$archive-shm"
  install -m 600 /mnt/backups/archive-*.db "$archive" && chown --reference="$state/." "$archive" || return 1
  local had
  had=$(messages)
  archiver --config "$config" verify && systemctl start archiver && eventually idle && its_files_are "$(its_user)" || return 1
  # No time of the schedule has passed, so the service starts no run by itself.
  archiver --config "$config" sync --now && eventually more_messages_than "$had" && eventually idle || return 1
  systemctl stop archiver
}

# --- the archive in a browser, as a user who can only read it

on_the_web() { # PATH ; what it says there
  curl -sSf -H "Authorization: Bearer $(cat /var/lib/archiver-web/web.key)" "http://127.0.0.1:8924/api/v1/$1"
}
web_has() { equal "$(on_the_web status | jq '[.conversations[].messages] | add // 0')" "$1"; }
web_shows_it() {
  props archiver-web LoadState=loaded ActiveState=inactive && systemctl start archiver-web &&
    eventually web_has "$(messages)" && on_the_web search?q=the | jq -e '.items | length > 0'
}
as_the_web() { # COMMAND... ; with its user, groups and view of the files, and with no right that it has not
  local pid
  pid=$(prop archiver-web MainPID)
  nsenter --target "$pid" --mount setpriv --reuid "$(stat -c %u "/proc/$pid")" --regid "$(stat -c %g "/proc/$pid")" \
    --groups "$(getent group archiver | cut -d : -f 3)" --bounding-set=-all --inh-caps=-all "$@"
}
web_can_only_read() {
  local pid
  pid=$(prop archiver-web MainPID)
  [[ "$(sed -n 's/^Uid:[[:space:]]*//p' "/proc/$pid/status" | cut -f 1)" != "$(its_user)" ]] || return 1
  as_the_web cat "$archive" >/dev/null && ! as_the_web sh -c "echo >>'$archive'" && ! as_the_web touch "$state/new" &&
    ! as_the_web rm -f "$archive-wal" && ! as_the_web kill -0 "$(prop archiver MainPID)" &&
    equal "$(as_the_web ls /var/lib/private | xargs)" 'archiver archiver-web'
}
web_follows() {
  local had
  had=$(messages)
  a_message_arrives archiver --config "$config" sync --now && eventually web_has $((had + 1))
}
web_outlives_the_service() {
  local had
  had=$(messages)
  systemctl stop archiver && web_has "$had" && systemctl restart archiver-web && eventually web_has "$had" &&
    systemctl start archiver && eventually idle && web_follows && props archiver-web NRestarts=0
}
web_ends() {
  systemctl stop archiver-web && props archiver-web Result=success && systemctl restart archiver && eventually idle
}

# --- a word to it

a_message_arrives() { # COMMAND...
  local had runs
  had=$(messages) runs=$(ended_runs)
  tell_api send '{"conversation": 0, "text": "one more"}' && "$@" && eventually more_runs_than "$runs" || return 1
  equal "$(messages)" $((had + 1)) && equal "$(last_run)" 'once complete'
}
second_run_leaves() {
  local asked
  asked=$(asked)
  fails_with 75 archiver --config "$config" sync --once && equal "$(asked)" "$asked"
}
reload_takes_it_over() {
  sed -i 's/^cron = .*/cron = "0 0 4 2 2 *"/' "$config"
  systemctl reload archiver && eventually status_has '-02-02T04:00' && running &&
    said archiver 'the configuration was read again cron="0 0 4 2 2 \*"'
}
reload_refuses() {
  cp "$config" /root/good.toml
  sed -i 's/^cron = .*/cron = "every so often"\nnonsense = 1/' "$config"
  systemctl reload archiver && eventually said archiver 'the service goes on with the previous configuration' -p err && running &&
    said archiver 'the new configuration is refused: .*schedule' -p err && status_has '-02-02T04:00'
  local so=$?
  cp /root/good.toml "$config"
  return "$so"
}

# --- a session that is over, and a login

attention_is_called_for() {
  tell_api account '{"active": false}' && archiver --config "$config" sync --now || return 1
  eventually test -s "$state/told.account" && eventually status_has 'NEEDS ATTENTION' && running || return 1
  grep -qx 'ARCHIVER_ALERT_ACCOUNT=me' "$state/told.account" || { cat "$state/told.account"; return 1; }
  ! grep -qFf <(secrets) "$state/told.account" && said archiver . -p err
}
login_mends_it() {
  cp /etc/archiver/login_token /root/second_token
  log_in && ! cmp -s /etc/archiver/login_token /root/second_token || return 1
  systemctl restart archiver && eventually idle && equal "$(last_run)" 'start complete' && ! status_has 'NEEDS ATTENTION'
}

# --- the watchdog, and the end

signs_of_life() {
  printf '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n' | drop_in archiver.service watchdog
  systemctl restart archiver && eventually idle || return 1
  local pid waited
  pid=$(prop archiver MainPID) waited=$SECONDS
  # A request that is never answered: it gets on, as its time is not over.
  tell_api faults '{"rules": [{"fault": "hang", "when": {"path": "messages"}}]}' && archiver --config "$config" sync --now || return 1
  while ((SECONDS < waited + 10)); do
    props archiver "MainPID=$pid" NRestarts=0 ActiveState=active || return 1
    sleep 1
  done
  status_has 'Syncing since'
}
stop_within_a_request() {
  local began took
  began=$(date +%s%N)
  systemctl stop archiver || return 1
  took=$(since_ms "$began")
  note "systemctl stop during a request that is not answered: $took ms"
  tell_api faults '{"clear": true}'
  ((took < 70000)) && props archiver Result=success ExecMainCode=1 ExecMainStatus=0 ActiveState=inactive &&
    equal "$(last_run)" 'once interrupted'
}
watchdog_restarts() {
  systemctl start archiver && eventually idle || return 1
  local pid began
  pid=$(prop archiver MainPID) began=$(date +%s%N)
  kill -STOP "$pid"
  eventually props archiver NRestarts=1 ActiveState=active SubState=running || return 1
  note "stopped by SIGSTOP, under WatchdogSec=2s: another process ready after $(since_ms "$began") ms"
  [[ $(prop archiver MainPID) != "$pid" ]] && said archiver 'Watchdog timeout' && eventually idle && no_core
}
no_core() { equal "$(find / -xdev -name 'core*' -type f -path '*archiver*' -print)" ''; }
crash_restarts() {
  local pid
  pid=$(prop archiver MainPID)
  kill -KILL "$pid"
  eventually props archiver NRestarts=2 ActiveState=active SubState=running && eventually idle &&
    archiver --config "$config" verify
}
stop_is_quick() {
  no_drop_in archiver.service watchdog
  systemctl restart archiver && eventually idle || return 1
  local began took
  began=$(date +%s%N)
  systemctl stop archiver || return 1
  took=$(since_ms "$began")
  note "systemctl stop between runs: $took ms"
  ((took < 3000)) && props archiver Result=success ExecMainCode=1 ExecMainStatus=0 ActiveState=inactive
}
left_in_order() {
  equal "$(cd "$state/" && echo archive.db*)" 'archive.db archive.db.backups archive.db.last-backup archive.db.lock' &&
    archiver --config "$config" status && equal "$(systemctl show --value -p UID archiver)" '[not set]'
}
root_makes_the_services() {
  # No folder is created here: the one that systemd made is the service's.
  ARCHIVER_ARCHIVE__PATH=$state/of_root.db archiver --config "$config" sync --once --budget 1 >/dev/null || return 1
  equal "$(stat -c '%a %u' "$state"/of_root.db* | sort -u)" "600 $(stat -L -c %u "$state/")" && rm "$state"/of_root.db*
}
asking_nobody() { fails_with 69 archiver --config "$config" sync --now; }

# --- the timer, with the user that the head of its unit asks for

timer_user() {
  install -d -o root -g archiver -m 0750 /etc/archiver && chgrp archiver "$config" && chmod 640 "$config"
}
once_is_one_run() {
  local runs
  runs=$(ended_runs)
  tell_api send '{"conversation": 0, "text": "for the timer"}' && systemctl start archiver-once || return 1
  props archiver-once Result=success ExecMainStatus=0 ActiveState=inactive && equal "$(ended_runs)" $((runs + 1)) &&
    equal "$(last_run)" 'once complete' && its_files_are "$(id -u archiver)"
}
timer_starts_it() {
  printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms\n' |
    drop_in archiver.timer often
  local runs
  runs=$(ended_runs)
  systemctl enable --now archiver.timer && eventually more_runs_than $((runs + 1)) || return 1
  systemctl disable --now archiver.timer && no_drop_in archiver.timer often && eventually props archiver-once ActiveState=inactive
}
service_after_the_timer() {
  systemctl start archiver && eventually idle && its_files_are "$(id -u archiver)"
}
once_beside_the_service() {
  # systemd forgets a unit that nothing else knows as soon as it is inactive, and its exit status with it.
  drop_in archiver-once.service tell <<'UNIT'
[Service]
ExecStopPost=sh -c "echo left with $$EXIT_STATUS"
UNIT
  systemctl start archiver-once && said archiver-once 'left with 75' && props archiver-once Result=success && running
}

# --- what the journal has

lines_of() { sync_journal; "${journal[@]}" -o json -u "$1" "_COMM=archiver"; }
one_line_an_event() {
  # No priority or time is left in a line, no line is another's second half.
  local strange
  strange=$(lines_of archiver | jq -r 'select((.MESSAGE | type) != "string" or
    (.MESSAGE | test("^ *(INFO|WARN|ERROR|DEBUG) ") | not) or (.MESSAGE | test("<[0-7]>|\u001b")))')
  equal "$strange" ''
}
priorities() {
  equal "$(lines_of archiver | jq -r '(.MESSAGE | ltrimstr(" ") | split(" ")[0]) + .PRIORITY' | sort -u | tr '\n' ' ')" \
    'ERROR3 INFO6 WARN4 ' || return 1
  # What a single run reports is no event, and no warning.
  equal "$(lines_of archiver-once | jq -r 'select(.MESSAGE | test("^Complete")) | .PRIORITY' | sort -u)" 6
}
no_secret() { # in the journal, the archive, the kernel's log, or the process's surroundings
  local text
  sync_journal
  text=$("${journal[@]}" -o json; dmesg; strings_of "$archive" "$archive-wal"; systemctl show archiver
    strings_of "/proc/$(prop archiver MainPID)/environ" "/proc/$(prop archiver MainPID)/cmdline")
  [[ -n $text ]] && ! grep -cFf <(secrets /root/first_token /root/second_token) <<<"$text"
}
strings_of() { tr -c '[:print:]' '\n' < <(cat "$@"); }
nothing_was_denied() {
  sync_journal
  ! "${journal[@]}" -k -o cat | grep -E 'audit: type=(1326|1400)|segfault|archiver.*(traps|killed)'
}

# --- after another boot

up_by_itself() { eventually running && equal "$(systemctl is-enabled archiver)" enabled; }
without_the_api() {
  # No time of the schedule has passed since the last run, so the service starts none by itself.
  archiver --config "$config" sync --now && eventually status_has 'Idle: last run failed' && props archiver NRestarts=0
}
# Without a restart. Made up anew, the API does not know everything that is archived.
with_the_api_again() {
  local runs
  runs=$(ended_runs)
  systemctl start fake-api && eventually curl -sSf "$api/_fake/meter" || return 1
  archiver --config "$config" sync --now && eventually more_runs_than "$runs" || return 1
  last_run | grep -x 'once \(complete\|partial\)' && props archiver NRestarts=0
}
# The unit's blank stands in for a file that is not there.
v2_without_a_token() {
  cp "$config" /root/v1.toml && mv /etc/archiver/login_token /root/login_token || return 1
  {
    curl -sSf "$api/_fake/config?version=v2" | without_secrets
    printf '[archive]\npath = "%s/v2.db"\n[budget]\ncredits_per_run = 10000\n' "$state"
  } >"$config"
  systemctl restart archiver && eventually idle && status_has 'last run complete'
  local so=$?
  # Not under the service's feet: it would take that for a failure of the archive, and wait.
  systemctl stop archiver
  mv /root/login_token /etc/archiver/login_token && cp /root/v1.toml "$config" && rm "$state"/v2.db*
  systemctl start archiver && eventually idle && return "$so"
}
installed_again() {
  local pid
  pid=$(prop archiver MainPID)
  cp "$config" /root/before.toml
  dpkg --install /root/archiver.deb && running && props archiver "MainPID=$pid" NeedDaemonReload=no && cmp "$config" /root/before.toml
}
removed() {
  dpkg --remove archiver && ! pgrep_archiver && eventually units_are_gone && test -e "$config" &&
    equal "$(find /etc/systemd -name archiver.service)" ''
}
pgrep_archiver() { grep -lx archiver /proc/[0-9]*/comm 2>/dev/null | grep -v "/$(prop fake-api MainPID)/"; }
units_are_gone() { props archiver.service LoadState=not-found && props archiver.timer LoadState=not-found; }
purged() {
  dpkg --purge archiver && ! test -e "$config" && test -s /etc/archiver/api_key && test -s /etc/archiver/login_token &&
    equal "$(messages)" "$1" && equal "$(sql 'PRAGMA integrity_check')" ok && equal "$(stat -L -c %a "$state/" "$archive" | xargs)" '750 640'
}

set_mark
case $(sed 's/.*boot-guest=\([a-z]*\).*/\1/' /proc/cmdline) in
first)
  note "$(systemctl --version | head -n 1), Debian $(cat /etc/debian_version), Linux $(uname -r)"
  check "the first process is systemd" equal "$(cat /proc/1/comm)" systemd
  check "the package installs" dpkg --install /root/archiver.deb
  check "systemd knows the units, and runs none" units_are_known
  check "no unit is enabled" nothing_is_enabled
  check "a preset enables none" presets_leave_them
  check "systemd-analyze verify has nothing to say" units_are_sound
  check "the configuration and the secrets are in place" configure
  check "root logs in before the first start" log_in
  check "a start without a key fails" unconfigured_start_fails
  check "it ends with 78, and is not started again" it_stays_down
  check "the journal names the file that is missing" it_says_why
  check "systemctl enable --now waits until it is ready" it_starts_once_configured
  check "its first run ends complete" the_run_ends_well
  check "the status line has the horizon and the next run" status_line
  check "the archive is closed to others" archive_is_closed_to_others
  check "its user cannot log in" user_cannot_log_in
  check "no capability, no new privilege, a filter of system calls" process_can_do_little
  check "systemd-analyze security says 1.1 at most" exposure
  check "figures for Prometheus are written" figures_are_written
  check "root reads the archive beside the service" root_reads_it
  check "the backup of docs/backup.md beside the service" backup_while_it_runs
  check "no reader leaves a file of its own" beside_files_are_its_own
  check "archiver-web shows the archive" web_shows_it
  check "it is another user, who can read the archive and write nothing" web_can_only_read
  check "it shows what the service archives" web_follows
  check "it shows the archive of a service that is stopped and started" web_outlives_the_service
  check "it stops" web_ends
  check "sync --now makes a run" a_message_arrives archiver --config "$config" sync --now
  check "systemctl kill -s USR1 makes a run" a_message_arrives systemctl kill -s USR1 archiver
  check "sync --once beside the service leaves with 75 and asks nothing" second_run_leaves
  check "a reload takes a new configuration over" reload_takes_it_over
  check "a reload refuses a bad configuration and goes on" reload_refuses
  check "a session that is over calls for attention, once" attention_is_called_for
  check "login as root and a restart mend it" login_mends_it
  check "a request that is not answered is no reason for the watchdog" signs_of_life
  check "a stop waits for an answer that may be paid for, until the request times out" stop_within_a_request
  check "the watchdog ends a process that hangs, and starts another" watchdog_restarts
  check "a process that is killed is followed by another" crash_restarts
  check "a stop takes less than three seconds and is a success" stop_is_quick
  check "a stop leaves the archive alone, and no user" left_in_order
  check "sync --now without a service leaves with 69" asking_nobody
  check "an archive that root makes there is the service's" root_makes_the_services
  check "a backup is restored, and what came since is fetched" restored
  check "the user of the timer is made" timer_user
  check "archiver-once makes one run in the same archive" once_is_one_run
  check "the timer starts it again and again" timer_starts_it
  check "the service takes the archive back" service_after_the_timer
  check "archiver-once beside the service is no failure" once_beside_the_service
  check "one line in the journal for each event" one_line_an_event
  check "each line has its priority" priorities
  check "no secret in journal, archive or environment" no_secret
  check "nothing was denied or broke" nothing_was_denied
  # The made-up API is born anew at each boot, with its first token.
  cp /root/first_token /etc/archiver/login_token
  echo "END first"
  ;;
second)
  check "it starts with the system" up_by_itself
  check "an API that is not there does not end it" without_the_api
  check "a run once the API is there" with_the_api_again
  check "v2 does without a login token" v2_without_a_token
  check "nothing else failed on this system" the_system_is_up
  check "the package installs again beside the running service" installed_again
  kept=$(messages)
  check "removing the package stops and disables the service" removed
  check "a purge leaves the archive and the secrets" purged "$kept"
  check "the archive has messages" test "$kept" -gt 0
  echo "END second"
  ;;
esac
