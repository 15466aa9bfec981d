# Sourced by the other scripts: where the cluster lives, how large it is, and how to tell that a process is one of its own.
# The folder's path must be short, since paths of unix sockets end at 107 bytes. It is for whoever boots it alone (mode 700), and a file in
# it says that it is a cluster's: nothing else is ever booted over or removed.
export TERZI_CLUSTER=${TERZI_CLUSTER:-${TMPDIR:-/tmp}/terzi-$(id -un)}
PORT=${TERZI_CLUSTER_PORT:-26817}  # slurmctld; then slurmdbd +1, slurmd of node i +10+i
NODES=${TERZI_CLUSTER_NODES:-4}    # virtual nodes n1, n2, ...
CPUS=${TERZI_CLUSTER_CPUS:-8}      # CPUs of each, which need not exist
MEMORY=${TERZI_CLUSTER_MEMORY:-16000}  # MiB of each, likewise
GPUS=${TERZI_CLUSTER_GPUS:-4}      # fake GPUs of each; 0 for none

F=${TERZI_CLUSTER%/}  # of a link with a slash behind it the target would be looked at
export SLURM_CONF=$F/etc/slurm.conf
MARK=$F/terzi-cluster
export PATH=$PATH:/usr/sbin:/sbin  # daemons lie there, and an ordinary user's PATH lacks it
exec </dev/null
umask 077

say() { echo "cluster: $*" >&2; }
die() { say "$*"; exit 1; }

# Anybody may have put a folder or a link under a name that can be foreseen; what lies in it would be believed.
if [ -L "$F" ] || { [ -e "$F" ] && ! { [ -d "$F" ] && [ -O "$F" ]; }; }; then
  die "$F is a link, or not a folder of yours; set TERZI_CLUSTER to another folder"
fi

alive() { # PID: whether it runs (a zombie does not)
  [ -d "/proc/$1" ] && ! grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}
ours() { # PID NAME: whether it runs, is called so, and belongs to this cluster (its number may have been given to another since)
  alive "$1" && [ "$(cat "/proc/$1/comm")" = "$2" ] && cat "/proc/$1/cmdline" "/proc/$1/environ" 2>/dev/null | grep -qaF "$F/"
}
