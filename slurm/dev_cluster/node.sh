#!/usr/bin/env bash
# Faults of a node:
#   node.sh kill n3      it dies, with its slurmd, its slurmstepds and all their tasks
#   node.sh kill-d n3    only its slurmd dies; tasks go on as orphans, beside the next attempt that SLURM starts (split brain)
#   node.sh start n3     it boots
set -u
. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
node=${2:?which node?}
[ -d "$F/spool/$node" ] || die "there is no node $node in $F"

steps() { # a slurmstepd writes to its node's log
  local pid handle
  for pid in $(pgrep -x slurmstepd); do
    for handle in /proc/"$pid"/fd/*; do
      [ "$(readlink "$handle")" != "$F/log/slurmd-$node.log" ] || { echo "$pid"; break; }
    done
  done
}
tree() { # PID: itself and all below it
  local child
  echo "$1"
  for child in $(pgrep -P "$1"); do tree "$child"; done
}

case $1 in
  kill | kill-d)
    pid=$(cat "$F/run/slurmd-$node.pid")
    ours "$pid" slurmd || pid=  # dead already; its tasks may live
    [ "$1" = kill-d ] || for step in $(steps); do pid="$pid $(tree "$step")"; done
    [ -z "$pid" ] || kill -9 $pid
    say "killed $node:" $pid
    ;;
  start)
    if [ -e "$F/etc/own_host_names" ]; then
      unshare --mount --uts sh -c 'hostname "$2" && mount --bind "$1/etc/hosts" /etc/hosts && exec slurmd -f "$1/etc/slurm.conf" -N "$2"' sh "$F" "$node"
    else
      slurmd -f "$SLURM_CONF" -N "$node"
    fi
    ;;
  *) die "usage: node.sh kill|kill-d|start NODE" ;;
esac
