#!/usr/bin/env bash
# Stop the cluster under $TERZI_CLUSTER: its daemons and the processes of its jobs, each by its number and only where it belongs to it.
# Logs and accounting stay until the next boot; --remove removes the folder.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
[ -e "$MARK" ] || exit 0

stop() { # PIDFILE NAME
  local pid
  pid=$(cat "$1" 2>/dev/null) && ours "$pid" "$2" || return 0
  kill "$pid"
  for _ in $(seq 100); do
    alive "$pid" || return 0
    sleep 0.1
  done
  kill -9 "$pid"
}

for file in "$F"/run/slurmd-*.pid; do stop "$file" slurmd; done
stop "$F/run/slurmctld.pid" slurmctld
# tasks and their slurmstepd outlive slurmd by design; they carry the cluster's SLURM_CONF
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ "$pid" != $$ ] && grep -qszxF "SLURM_CONF=$SLURM_CONF" "$process/environ" || continue
  [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ] || grep -qsz '^SLURM_JOB_ID=' "$process/environ" || continue
  kill -9 "$pid" 2>/dev/null
done
stop "$F/run/slurmdbd.pid" slurmdbd
stop "$F/run/mariadbd.pid" mariadbd
stop "$F/run/munged.pid" munged
if [ "${1:-}" = --remove ]; then rm -rf "$F"; fi
