# shellcheck shell=bash
# A Slurm of four nodes on this machine, of the calling user: source it. Loopback only; what it
# starts it stops by process id.
#
#   cluster_start FOLDER    munge, the controller and four nodes of two cores, all files in FOLDER
#   cluster_stop            end them; also when the script ends for any reason

export PATH=$PATH:/usr/sbin # the daemons
cluster_pids=()
cluster_nodes=(n0 n1 n2 n3)

# The first of five free ports in a row.
cluster_ports() {
  local first port busy
  for first in 17000 17100 17200 17300 17400; do
    busy=
    for port in $(seq "$first" $((first + 4))); do
      if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then busy=1; fi
    done
    [ -n "$busy" ] || { echo "$first" && return; }
  done
  echo "tests/slurm: no five free ports from 17000 to 17404" >&2
  return 1
}

cluster_write_config() {
  local folder=$1 first=$2 user host
  user=$(id -un)
  host=$(hostname)
  cat >"$folder/slurm.conf" <<END
ClusterName=echelon
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$first
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool.%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=pmi2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
KillWait=10
SchedulerParameters=batch_sched_delay=0
NodeName=n[0-3] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((first + 1))-$((first + 4))] CPUs=2
PartitionName=compute Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

# cluster_wait SECONDS WHAT COMMAND...: until the command succeeds.
cluster_wait() {
  local seconds=$1 what=$2 end
  shift 2
  end=$(($(date +%s) + seconds))
  until "$@" >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge "$end" ]; then
      echo "tests/slurm: waited $seconds s for $what" >&2
      return 1
    fi
    sleep 0.2
  done
}

cluster_is_idle() {
  [ "$(sinfo -h -N -t idle -o %N | sort -u | wc -l)" = ${#cluster_nodes[@]} ]
}

cluster_start() {
  local folder=$1 first node
  first=$(cluster_ports)
  mkdir -p "$folder/state"
  chmod 755 "$folder"
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  cluster_write_config "$folder" "$first"
  export SLURM_CONF=$folder/slurm.conf
  trap cluster_stop EXIT
  munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" \
    --seed-file="$folder/munged.seed" >/dev/null 2>&1 &
  cluster_pids+=($!)
  cluster_wait 20 munge test -S "$folder/munge.socket"
  slurmctld -D >/dev/null 2>&1 &
  cluster_pids+=($!)
  for node in "${cluster_nodes[@]}"; do
    mkdir -p "$folder/spool.$node"
    slurmd -D -N "$node" >/dev/null 2>&1 &
    cluster_pids+=($!)
  done
  cluster_wait 60 "four idle nodes" cluster_is_idle
}

# Jobs first, so that no step outlives its daemon.
cluster_stop() {
  local pid
  trap - EXIT
  [ ${#cluster_pids[@]} = 0 ] || scancel --user="$(id -un)" >/dev/null 2>&1 || true
  cluster_wait 30 "the last job's end" cluster_is_empty || true
  for pid in "${cluster_pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  wait "${cluster_pids[@]}" 2>/dev/null || true
  cluster_pids=()
}

cluster_is_empty() {
  [ -z "$(squeue -h)" ]
}
